"""A level's centre moved across the plane: stored slices, put together as preparation would have cut them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from components.ingest_dicom.volume import Volume
from components.prepare_vertebrae.crops import extract_crops
from components.prepare_vertebrae.levels import VertebraLevel
from models.crop_store import CropGeometry, CropStore
from models.dataset import CropDataset
from models.lateral_jitter import LateralJitter
from tests.crop_store_factory import make_store

GEOMETRY = CropGeometry(pixels=16, size_mm=32.0, slices=3, slice_spacing_mm=2.0, centre_shift_mm=0.0)
OFFSETS_MM = (0.0, -6.0, 6.0)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> CropStore:
    """The factory's index with the offsets of params.yaml: slices at -8, -6, ... 8 mm of every vertebra."""
    folder: Path = tmp_path_factory.mktemp("store") / "crops"
    return make_store(folder, patients=4, pixels=16, offsets_mm=OFFSETS_MM)


def test_a_moved_crop_is_the_one_that_preparation_cuts_there() -> None:
    """A volume whose HU differ from slice to slice; crops at 0, -6, 6 mm, and one cut 2 mm further left."""
    rng = np.random.default_rng(3)
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    affine[:3, 3] = -30.0
    volume = Volume(rng.integers(-100, 600, (60, 60, 60)).astype(np.int16), affine)
    level = VertebraLevel("L1", np.zeros(3), np.eye(3))

    def cut(*offsets_mm: float) -> np.ndarray:
        return extract_crops(volume, level, GEOMETRY, offsets_mm, coverage_tolerance_mm=0.0)

    import pandas as pd

    index = pd.DataFrame({"series": "s", "level": "L1", "lateral_offset_mm": OFFSETS_MM})
    jitter = LateralJitter(index, GEOMETRY, reach_mm=3.0)
    hu = cut(*OFFSETS_MM)
    assert jitter.steps == 1
    assert jitter.possible.tolist() == [[True, True, True], [False, True, True], [True, True, False]]
    for position, step, offset_mm in ((0, 1, 2.0), (0, -1, -2.0), (1, 1, -4.0), (2, -1, 4.0), (2, 0, 6.0)):
        rows, channels = jitter.sources(np.array([position]), np.array([step]))
        assert np.array_equal(hu[rows, channels][0], cut(offset_mm)[0])


def test_steps_are_drawn_evenly_and_only_where_the_store_has_the_slices(store: CropStore) -> None:
    dataset = CropDataset(store, ("train",), lateral_jitter_mm=3.0)
    offset_mm = store.index.loc[dataset.rows, "lateral_offset_mm"].to_numpy()
    drawn = np.stack([dataset.jitter.draw(np.random.default_rng(seed)) for seed in range(300)])
    middle, right, left = (drawn[:, offset_mm == value] for value in OFFSETS_MM)
    for values, expected in ((middle, (-1, 0, 1)), (right, (0, 1)), (left, (-1, 0))):
        seen, counts = np.unique(values, return_counts=True)
        assert tuple(seen) == expected
        assert counts / counts.sum() == pytest.approx(1 / len(expected), abs=0.03)


def test_without_jitter_and_without_neighbours_crops_stay_as_they_are(store: CropStore) -> None:
    still = CropDataset(store, ("train",))
    for batch in still.shuffled(8, 0, 1):
        assert np.array_equal(batch.crops.numpy(), store.hu[batch.rows])
    alone = CropDataset(store, ("validation", "test"), lateral_jitter_mm=3.0)  # one crop a vertebra
    assert alone.jitter.possible.sum(1).tolist() == [1] * len(alone)


def test_an_epoch_moves_crops_as_seed_and_epoch_say(store: CropStore) -> None:
    dataset = CropDataset(store, ("train",), lateral_jitter_mm=3.0)

    def pixels(epoch: int) -> np.ndarray:
        return np.concatenate([batch.crops.numpy() for batch in dataset.shuffled(8, 5, epoch)])

    assert np.array_equal(pixels(1), pixels(1))
    moved = [
        not np.array_equal(crop, store.hu[row])
        for batch in dataset.shuffled(8, 5, 1)
        for crop, row in zip(batch.crops.numpy(), batch.rows, strict=True)
    ]
    assert 0.3 < np.mean(moved) < 0.8
