"""A pod limited to two CPUs of a large machine starts two processes, not sixty-four."""

from __future__ import annotations

from pathlib import Path

import pytest

from models import available_cpus as module
from models.available_cpus import available_cpus


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("200000 100000\n", 2), ("150000 100000", 2), ("10000 100000", 1), ("max 100000", 64), ("", 64),
     ("12800000 100000", 64), (None, 64)],
)  # fmt: skip
def test_a_containers_limit_counts(
    quota: str | None, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.os, "sched_getaffinity", lambda process: set(range(64)))
    file = tmp_path / "cpu.max"
    if quota is not None:
        file.write_text(quota)
    assert available_cpus(file) == expected
