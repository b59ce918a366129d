"""A piece of the mineral field: voxels aligned with the patient axes around one bone or disc."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.simulate_cohort.anatomy import Vertebra

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class MineralBox:
    """Mineral and envelope on a regular grid.

    Attributes
    ----------
    part, level
        body, posterior or disc; name of the vertebra.
    x_mm, y_mm, z_mm
        Voxel centres, ascending (left, posterior, superior).
    voxel_mm
        Side of the cubic voxels.
    mineral_mg_cc
        (Z, Y, X) hydroxyapatite.
    envelope
        (Z, Y, X) share of the voxel that lies inside the bone (or disc), where its filling replaces soft tissue.
    """

    part: str
    level: str
    x_mm: FloatArray
    y_mm: FloatArray
    z_mm: FloatArray
    voxel_mm: float
    mineral_mg_cc: FloatArray
    envelope: FloatArray


@dataclass(frozen=True)
class Grid:
    """Voxel centres of a box and the same points in the body's own axes (u left, v posterior, w superior)."""

    x_mm: FloatArray
    y_mm: FloatArray
    z_mm: FloatArray
    u: FloatArray
    v: FloatArray
    w: FloatArray


def local_grid(
    vertebra: Vertebra,
    low_mm: Sequence[float] | FloatArray,
    high_mm: Sequence[float] | FloatArray,
    voxel_mm: float,
    z_range_mm: tuple[float, float],
) -> Grid | None:
    """Grid around a vertebra from `low_mm` to `high_mm` (x, y, z relative to its centre), cut to the z range.

    Returns None when nothing of it lies inside.
    """
    centre = vertebra.centre_mm
    z_low, z_high = max(centre[2] + low_mm[2], z_range_mm[0]), min(centre[2] + high_mm[2], z_range_mm[1])
    if z_high - z_low < 2 * voxel_mm:
        return None
    x = np.arange(centre[0] + low_mm[0], centre[0] + high_mm[0], voxel_mm)
    y = np.arange(centre[1] + low_mm[1], centre[1] + high_mm[1], voxel_mm)
    z = np.arange(z_low, z_high, voxel_mm)
    dx, dy, dz = x[None, None, :] - centre[0], y[None, :, None] - centre[1], z[:, None, None] - centre[2]
    u, v, w = (axis[0] * dx + (axis[1] * dy + axis[2] * dz) for axis in vertebra.axes)
    return Grid(x, y, z, u, v, w)


def inside(depth_mm: FloatArray, voxel_mm: float) -> FloatArray:
    """Share of a voxel inside a surface, from the depth of its centre below the surface."""
    share = depth_mm / voxel_mm
    share += 0.5
    return np.clip(share, 0.0, 1.0, out=share)
