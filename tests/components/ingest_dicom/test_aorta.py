"""The aorta's lumen in a drawn abdomen: native, enhanced, absent; told where the spine is and not told."""

from __future__ import annotations

import math

import numpy as np
import pytest

from components.ingest_dicom.aorta import aortic_lumen_hu
from components.ingest_dicom.statistics import hu_statistics
from components.ingest_dicom.volume import Volume


def _abdomen(aorta_hu: float | None) -> Volume:
    """30 planes of 4 mm, 1 mm pixels: fat, muscle, vertebrae of 28 mm with discs between, canal, aorta."""
    z, y, x = np.meshgrid(np.arange(30) * 4.0, np.arange(220) - 130.0, np.arange(280) - 140.0, indexing="ij")

    def ellipse(cx: float, cy: float, rx: float, ry: float) -> np.ndarray:
        return ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 <= 1

    hu = np.full(z.shape, -1000.0)
    hu[ellipse(0, -20, 130, 100)] = -100.0
    hu[ellipse(0, -20, 115, 85) & ~ellipse(0, -35, 70, 40)] = 50.0
    bone = (z % 36) < 28
    body = ellipse(0, 0, 22, 16)
    hu[body] = 80.0
    hu[body & bone] = 150.0
    hu[body & bone & ~ellipse(0, 0, 20, 14)] = 500.0
    hu[body & bone & (((z % 36) < 4) | ((z % 36) >= 24))] = 400.0
    hu[ellipse(0, 27, 16, 15) & ~body & bone] = 450.0
    hu[ellipse(0, 26, 11, 8)] = 20.0
    if aorta_hu is not None:
        hu[ellipse(9, -28, 10, 10)] = aorta_hu
    hu += np.random.default_rng(7).normal(0, 12, hu.shape)
    affine = np.eye(4)
    affine[:3, :3] = [[0, 0, 1], [0, 1, 0], [4, 0, 0]]
    affine[:3, 3] = [-140.0, -130.0, -300.0]
    return Volume(hu.clip(-1024, 3000).astype(np.int16), affine)


@pytest.mark.parametrize("aorta_hu", [40.0, 130.0, 300.0])
@pytest.mark.parametrize("told", [True, False])
def test_lumen_is_measured(aorta_hu: float, told: bool) -> None:
    centres = np.array([[0.0, 0.0, -286.0], [0.0, 0.0, -250.0], [0.0, 0.0, -214.0]]) if told else None
    assert aortic_lumen_hu(_abdomen(aorta_hu), centres) == pytest.approx(aorta_hu, abs=12)


def test_the_answer_does_not_depend_on_how_the_scan_is_stored() -> None:
    volume = _abdomen(200.0)
    flipped = volume.affine.copy()
    flipped[:3, 3] += flipped[:3, 2] * (volume.shape[2] - 1)
    flipped[:3, 2] *= -1
    mirrored = Volume(np.ascontiguousarray(volume.hu[:, :, ::-1]), flipped)
    assert aortic_lumen_hu(mirrored) == pytest.approx(aortic_lumen_hu(volume), abs=0.5)


def test_nothing_is_made_up_where_there_is_no_spine() -> None:
    volume = Volume(np.full((10, 64, 64), 40, np.int16), np.diag([2.0, 2.0, 4.0, 1.0])[[2, 1, 0, 3]])
    assert math.isnan(aortic_lumen_hu(volume))


def test_statistics_find_the_peaks_that_were_drawn() -> None:
    statistics = hu_statistics(_abdomen(40.0).hu)
    assert statistics.hu_air_peak == pytest.approx(-1000, abs=5)
    assert statistics.hu_soft_tissue_peak == pytest.approx(50, abs=5)
