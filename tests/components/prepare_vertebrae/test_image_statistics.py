"""Statistics for drift: they follow the calibration, and hardly anything else."""

from __future__ import annotations

import numpy as np
import pytest

from components.ingest_dicom.volume import Volume
from components.prepare_vertebrae.image_statistics import STATISTICS, image_statistics
from components.prepare_vertebrae.levels import spine_levels
from components.prepare_vertebrae.params import PrepareParams


@pytest.fixture(scope="module")
def base(spine: Volume, centres: dict[str, np.ndarray], params: PrepareParams) -> dict[str, float]:
    return statistics(spine.hu, spine, centres, params)


def statistics(hu: np.ndarray, spine: Volume, centres: dict, params: PrepareParams) -> dict[str, float]:
    levels = spine_levels(centres, params.levels, source="test")
    volume = Volume(np.rint(hu).astype(np.int16), spine.affine)
    return image_statistics(volume, levels, params.trabecular)


def test_peaks_lie_where_the_tissues_are(base: dict[str, float]) -> None:
    assert tuple(base) == STATISTICS
    assert base["soft_tissue_peak_hu"] == pytest.approx(50, abs=1)
    assert base["fat_peak_hu"] == pytest.approx(-100, abs=1)
    assert base["trabecular_hu"] == pytest.approx(140, abs=1)
    assert base["noise_hu"] < 1


def test_a_calibration_shift_moves_every_peak_by_itself(
    base: dict[str, float], spine: Volume, centres: dict[str, np.ndarray], params: PrepareParams
) -> None:
    shifted = statistics(spine.hu + 10, spine, centres, params)
    for name in ("soft_tissue_peak_hu", "fat_peak_hu", "trabecular_hu"):
        assert shifted[name] - base[name] == pytest.approx(10, abs=0.1)


@pytest.mark.parametrize("noise_hu", [10, 30, 50])
def test_noise_is_measured_and_moves_no_peak(
    noise_hu: float,
    base: dict[str, float],
    spine: Volume,
    centres: dict[str, np.ndarray],
    params: PrepareParams,
) -> None:
    noise = np.random.default_rng(1).normal(0, noise_hu, spine.shape)
    noisy = statistics(spine.hu + noise, spine, centres, params)
    assert noisy["noise_hu"] == pytest.approx(noise_hu, rel=0.08)
    assert noisy["soft_tissue_peak_hu"] == pytest.approx(base["soft_tissue_peak_hu"], abs=2)


def test_an_image_without_fat_says_nan(
    spine: Volume, centres: dict[str, np.ndarray], params: PrepareParams
) -> None:
    assert np.isnan(statistics(np.maximum(spine.hu, 50), spine, centres, params)["fat_peak_hu"])
