"""The sacrum down to S2: body, alae, median crest and canal, seen by the CT only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from components.simulate_cohort import constants as c
from components.simulate_cohort.anatomy import Stack
from components.simulate_cohort.mineral_box import MineralBox, inside, local_grid
from components.simulate_cohort.patient import Patient
from components.simulate_cohort.texture import regional

FloatArray = NDArray[np.float64]
VOXEL_MM = 1.4
EDGE_MM = 2.0


def build_sacrum(patient: Patient, stack: Stack, z_range_mm: tuple[float, float]) -> list[MineralBox]:
    """One box, shaped in the frame of S1 (w along its axis, v backwards)."""
    bone = stack.sacrum
    size = bone.size
    a, b, h = (float(value) for value in bone.half_mm)
    wide = c.ALA_REACH_MM * size
    low = (-wide - 2, -1.1 * b - 14 * size, -60 * size)
    high = (wide + 2, b + 42 * size, h + 16 * size)
    grid = local_grid(bone, low, high, VOXEL_MM, z_range_mm)
    if grid is None:
        return []
    u, v, w = np.abs(grid.u), grid.v, grid.w
    below = np.clip((h - w) / (2 * h), 0.0, 2.5)  # 0 on the upper endplate, 1 on the lower
    # the front wall recedes along the pelvic concavity, the body tapers
    taper = 1.0 - 0.22 * below
    middle = 3.0 * size * below * below
    p, q = u / (a * taper), (v - middle) / (b * taper)
    p, q = p * p, q * q
    wall = (1.0 - np.sqrt(p + q - 0.4 * p * q / np.maximum(p + q, 1e-9))) * b
    cap = h - 0.8 - w
    # a remnant of the disc between S1 and S2
    remnant = np.abs(w + h + 1.0) - 1.0
    body = np.minimum(np.minimum(wall, cap), np.where(wall > 4.0, remnant, 9.0))
    # alae: wings that spread, fall away sideways and lie behind the body's front
    drop = 0.36 * np.maximum(u - 0.8 * a, 0.0)
    ala = np.minimum.reduce(
        [
            wide * (1.0 - 0.10 * below) - u,
            h - 4.0 - drop - w,
            v - (-0.35 * b + 0.16 * np.maximum(u - a, 0.0)),
            (0.75 * b + 6.0 * size + 0.10 * u) - v,
        ]
    )
    # sacral foramina, one pair a segment
    foramen = np.sqrt(np.square(u - 0.86 * a) + np.square((w + h + 3.0) * 0.9)) - 5.0 * size
    ala = np.minimum(ala, foramen)
    canal = np.sqrt(np.square(u / 1.5) + np.square(v - b - 6.0 * size)) - 7.0 * size
    behind = np.minimum(
        3.2 * size - np.abs(v - b - 15.0 * size + 0.30 * u), np.minimum(h - 8.0 * size - w, 24.0 * size - u)
    )
    crest = np.minimum.reduce(
        [3.4 * size - u, (b + 24.0 * size) - v, v - b - 12.0 * size, h - 13.0 * size - w]
    )
    depth = np.maximum(body, np.minimum(np.maximum.reduce([ala, behind, crest]), canal))
    # no edge of the sacrum is sharp
    depth = gaussian_filter(np.clip(depth, -5.0, 5.0), EDGE_MM / VOXEL_MM, truncate=2.5)
    envelope = inside(depth, VOXEL_MM)
    rng = patient.stream("sacrum")
    shell = inside(c.SACRUM_SHELL_MM * patient.shell_mm / c.SHELL_MM - depth, VOXEL_MM)
    vbmd = patient.vbmd_mg_cc * np.where(body > ala, 1.0, c.ALA_VBMD_SHARE)
    trabecular = vbmd * np.exp(regional(rng, depth.shape, VOXEL_MM, 0.12))
    mineral = envelope * (trabecular + shell * (c.SACRUM_SHELL_MG_CC - trabecular))
    return [MineralBox("sacrum", "S1", grid.x_mm, grid.y_mm, grid.z_mm, VOXEL_MM, mineral, envelope)]
