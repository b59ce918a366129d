"""A store of few small crops, and one thread, which is the fastest for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from models.crop_store import CropStore
from tests.crop_store_factory import make_store


@pytest.fixture(scope="module")
def small_store(tmp_path_factory: pytest.TempPathFactory) -> CropStore:
    return make_store(tmp_path_factory.mktemp("store") / "crops", patients=10, pixels=24, offsets_mm=(0.0,))


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
