"""One small batch, run once without a fault."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.faults.small_batch import Batch, facts, make_batch


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Batch:
    """The batch after all three steps."""
    root = tmp_path_factory.mktemp("batch")
    make_batch(root / "data")
    batch = Batch(root / "data", root / "out")
    batch.ingest()
    batch.validate()
    batch.prepare()
    return batch


@pytest.fixture(scope="session")
def expected(whole: Batch) -> dict[str, object]:
    """What an uninterrupted run leaves."""
    return facts(whole.out)


@pytest.fixture
def again(whole: Batch, tmp_path: Path) -> Batch:
    """A copy of what the run left, to be run again."""
    shutil.copytree(whole.out, tmp_path / "out")
    return Batch(whole.data, tmp_path / "out")
