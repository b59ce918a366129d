"""The iliac wings beside L4-S1: from the sacroiliac joints to the crests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.simulate_cohort import constants as c
from components.simulate_cohort.anatomy import Stack
from components.simulate_cohort.mineral_box import MineralBox
from components.simulate_cohort.patient import Patient

FloatArray = NDArray[np.float64]
VOXEL_MM = 1.4
BACK_MM, FRONT_MM = 50.0, -48.0  # extent along y, from the centre of S1; illustrative


def build_iliac_wings(
    patient: Patient, stack: Stack, z_range_mm: tuple[float, float], reach_mm: float
) -> list[MineralBox]:
    """One box a side: a curved plate, thick behind, thin in its middle, with a rounded crest."""
    size, s1 = patient.size, stack.sacrum.centre_mm
    rng = patient.stream("pelvis")
    high = c.CREST_ABOVE_S1_MM * size + float(rng.normal(0.0, 3.0))
    flare = float(np.clip(rng.normal(0.32, 0.05), 0.2, 0.45))
    x = np.arange(40.0 * size, min(132.0 * size, reach_mm), VOXEL_MM)
    y = np.arange(FRONT_MM, BACK_MM, VOXEL_MM) * size
    z = np.arange(z_range_mm[0], min(s1[2] + high + 3.0, z_range_mm[1]), VOXEL_MM)
    if x.size < 2 or z.size < 2:
        return []
    forward = 46.0 - y / size  # from the posterior spine
    line = (47.0 + 0.24 * forward + 0.0050 * np.square(forward)) * size
    slope = np.sqrt(1.0 + np.square(0.24 + 0.0100 * forward))
    crest = high - 0.0165 * np.square(y / size + 6.0) / size
    half = np.clip(7.5 - 0.11 * forward, 3.2, 7.5) * size  # thickness: sacroiliac part to the thin wing
    half *= np.sqrt(np.clip((forward + 4.0) / 9.0, 0.0, 1.0))  # rounded at the posterior spine
    above = z - s1[2]
    # distance from the middle surface, which leans outwards upwards
    surface = line[None, :, None] + flare * np.maximum(above, 0.0)[:, None, None]
    plate = np.abs(x[None, None, :] - surface)
    plate /= -slope[None, :, None]
    under = crest[None, :] - above[:, None]
    rim = 2.0 * np.exp(-np.square(under / 9.0))  # the crest is thicker than the wing below it
    plate += half[None, :, None] + rim[:, :, None]
    depth = np.minimum(plate, under[:, :, None], out=plate)
    envelope = np.clip(depth / VOXEL_MM + 0.5, 0.0, 1.0)
    rind = np.clip((c.ILIUM_SHELL_MM - depth) / VOXEL_MM + 0.5, 0.0, 1.0)
    rind *= c.ILIUM_SHELL_MG_CC
    rind += c.ILIUM_CORE_SHARE * patient.vbmd_mg_cc
    mineral = envelope * rind
    return [
        MineralBox("ilium", "left", s1[0] + x, s1[1] + y, z, VOXEL_MM, mineral, envelope),
        MineralBox(
            "ilium",
            "right",
            s1[0] - x[::-1],
            s1[1] + y,
            z,
            VOXEL_MM,
            np.ascontiguousarray(mineral[:, :, ::-1]),
            np.ascontiguousarray(envelope[:, :, ::-1]),
        ),
    ]
