"""Dual-energy DXA scan of the field: areal density image, BMD per level, on the Hologic scale."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.simulate_cohort import constants as c
from components.simulate_cohort.attenuation import dxa_coefficients
from components.simulate_cohort.mineral_field import MineralField
from components.simulate_cohort.patient import STACK
from components.simulate_cohort.projection import PixelGrid, project
from components.simulate_cohort.sampling import upsample
from models.levels import LEVELS

FloatArray = NDArray[np.float64]
HALF_WIDTH_MM = 60.0


@dataclass(frozen=True)
class DxaScan:
    """One scan.

    Attributes
    ----------
    x_mm, z_mm
        Pixel centres, ascending.
    areal_g_cm2
        (Z, X) measured areal density; `body_g_cm2` and `posterior_g_cm2` the true parts of it.
    regions
        Per level (Z, X) bool, the bone inside the level's lines.
    bodies
        Per level (Z, X) bool, the rectangle of the vertebral body inset by `constants.TBS_INSET_MM`.
    """

    x_mm: FloatArray
    z_mm: FloatArray
    areal_g_cm2: FloatArray
    body_g_cm2: FloatArray
    posterior_g_cm2: FloatArray
    regions: dict[str, NDArray[np.bool_]]
    bodies: dict[str, NDArray[np.bool_]]

    def bmd_g_cm2(self, level: str) -> float:
        """BMC over area of one level."""
        return float(self.areal_g_cm2[self.regions[level]].mean())

    def bmd_over_g_cm2(self, levels: Iterable[str]) -> float:
        """BMC of these levels over their area."""
        return float(self.areal_g_cm2[np.any([self.regions[level] for level in levels], axis=0)].mean())

    @property
    def bmd_total_g_cm2(self) -> float:
        """BMC of L1-L4 over their area."""
        return self.bmd_over_g_cm2(LEVELS)

    @property
    def posterior_share(self) -> float:
        """Share of the L1-L4 BMC that lies in the posterior elements."""
        bone = np.any(list(self.regions.values()), axis=0)
        posterior, body = float(self.posterior_g_cm2[bone].sum()), float(self.body_g_cm2[bone].sum())
        return posterior / (posterior + body)


def measure(rng: np.random.Generator, areal_g_cm2: FloatArray, soft_g_cm2: float) -> FloatArray:
    """Expose at two energies with Poisson noise and solve for mineral."""
    mineral, soft = dxa_coefficients()
    counts = [
        rng.poisson(c.DXA_PHOTONS * np.exp(-mineral[k] * areal_g_cm2 - soft[k] * soft_g_cm2))
        for k in range(2)
    ]
    low, high = (-np.log(np.maximum(count, 1) / c.DXA_PHOTONS) for count in counts)
    ratio = soft[0] / soft[1]
    return np.asarray((low - ratio * high) / (mineral[0] - ratio * mineral[1]))


def _analyst_lines(rng: np.random.Generator) -> dict[str, float]:
    """How far an analyst sets the line above each of L1..L4, and below L4, from the middle of the disc."""
    return {name: float(rng.normal(0.0, c.DXA_LINE_SD_MM)) for name in STACK[: len(LEVELS) + 1]}


def _regions(
    field: MineralField, image: FloatArray, grid: PixelGrid, lines_mm: dict[str, float]
) -> dict[str, NDArray[np.bool_]]:
    discs, z_mm = field.stack.disc_centres_mm, grid.z_mm
    centres = np.array([_shadow(field, name, grid) for name in reversed(STACK)])
    centre = np.interp(z_mm, centres[:, 1], centres[:, 0])
    regions: dict[str, NDArray[np.bool_]] = {}
    for above, level in zip(STACK, LEVELS, strict=False):
        body = field.stack.vertebrae[level]
        top, bottom = discs[above][2] + lines_mm[above], discs[level][2] + lines_mm[level]
        rows = (z_mm < top) & (z_mm > bottom)
        reach = body.half_mm[0] + c.DXA_LATERAL_MARGIN_MM
        beside = np.abs(grid.x_mm[None, :] - centre[:, None])
        window = rows[:, None] & (beside < reach)
        middle = window & (beside < 0.7 * body.half_mm[0])
        threshold = c.DXA_EDGE_FRACTION * float(np.median(image[middle]))
        regions[level] = window & (image > threshold)
    return regions


def _shadow(field: MineralField, level: str, grid: PixelGrid) -> tuple[float, float]:
    """Where the centre of a body appears: across and along the table."""
    centre = field.stack.vertebrae[level].centre_mm
    return grid.across(centre), float(centre[2])


def _bodies(field: MineralField, grid: PixelGrid) -> dict[str, NDArray[np.bool_]]:
    """Pixels inside each body's upright rectangle, in the body's own axes, without its outer rim."""
    bodies = {}
    for level in LEVELS:
        body = field.stack.vertebrae[level]
        across, along = _shadow(field, level, grid)
        up, left = body.axes[2], body.axes[0]
        dx, dz = grid.x_mm[None, :] - across, grid.z_mm[:, None] - along
        w, u = up[0] * dx + up[2] * dz, left[0] * dx + left[2] * dz
        inset = c.TBS_INSET_MM
        bodies[level] = (np.abs(w) < body.half_mm[2] - inset) & (np.abs(u) < body.half_mm[0] - inset)
    return bodies


def position(field: MineralField, rng: np.random.Generator) -> PixelGrid:
    """Lay the patient down: the pixels fall anywhere on the spine, and the spine is slightly turned."""
    z_low, z_high = field.stack.z_range_mm
    start_x = -HALF_WIDTH_MM + c.DXA_PIXEL_X_MM * float(rng.random())
    start_z = float(np.floor(z_low)) + c.DXA_PIXEL_Z_MM * float(rng.random())
    turn = np.deg2rad(np.clip(rng.normal(0.0, c.DXA_TURN_SD_DEG), -c.DXA_TURN_MAX_DEG, c.DXA_TURN_MAX_DEG))
    x_mm = np.arange(start_x, HALF_WIDTH_MM, c.DXA_PIXEL_X_MM)
    z_mm = np.arange(start_z, z_high, c.DXA_PIXEL_Z_MM)
    return PixelGrid(x_mm, z_mm, float(turn), c.DXA_BLUR_MM)


def scan(field: MineralField, *, repeat: int = 0) -> DxaScan:
    """Scan the field; another `repeat` is the same patient laid down, exposed and analysed anew (precision).

    The shadow is computed from the field for the pixels of each position, never resampled from another image:
    interpolation would smooth the texture that TBS measures.
    """
    patient = field.patient
    rng = patient.stream("dxa", repeat)
    grid = position(field, rng)
    body = project(field.of("body"), grid) * c.BMD_SCALE
    posterior = project(field.of("posterior"), grid) * c.BMD_SCALE
    true = body + posterior
    image = measure(rng, true, c.BODY_THICKNESS_CM[0] + c.BODY_THICKNESS_CM[1] * patient.bmi)
    coarse = rng.standard_normal((6, 5)) * c.DXA_SOFT_TISSUE_SD_G_CM2
    image += upsample(coarse, true.shape)
    image *= 1.0 + c.DXA_GAIN_SD * rng.standard_normal()
    regions = _regions(field, true, grid, _analyst_lines(rng))
    return DxaScan(grid.x_mm, grid.z_mm, image, body, posterior, regions, _bodies(field, grid))
