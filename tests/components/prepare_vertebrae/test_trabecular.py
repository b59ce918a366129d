"""Today's practice: the anterior region lies inside the body and away from cortex and vein."""

from __future__ import annotations

import numpy as np
import pytest

from components.ingest_dicom.volume import Volume
from components.prepare_vertebrae.levels import spine_levels
from components.prepare_vertebrae.params import PrepareParams
from components.prepare_vertebrae.trabecular import trabecular_hu


def test_uniform_bodies_give_their_own_hu(
    spine: Volume, centres: dict[str, np.ndarray], params: PrepareParams
) -> None:
    for level in spine_levels(centres, params.levels, source="test"):
        assert trabecular_hu(spine, level, params.trabecular) == pytest.approx(140.0)


def test_cortex_and_basivertebral_vein_stay_outside(
    spine: Volume, centres: dict[str, np.ndarray], params: PrepareParams
) -> None:
    index = np.stack(np.meshgrid(*(np.arange(n) for n in spine.shape), indexing="ij"), axis=-1)
    away = spine.index_to_lps(index) - centres["L2"]
    hu = spine.hu.copy()
    shell = np.all(np.abs(away) <= (20, 15, 13), axis=-1) & ~np.all(np.abs(away) <= (17, 12, 9), axis=-1)
    hu[shell] = 700
    hu[
        (np.abs(away[..., 0]) < 4) & (away[..., 1] > 6) & (away[..., 1] < 15) & (np.abs(away[..., 2]) < 4)
    ] = -50
    level = spine_levels(centres, params.levels, source="test")[1]
    assert trabecular_hu(Volume(hu, spine.affine), level, params.trabecular) == pytest.approx(140.0)
