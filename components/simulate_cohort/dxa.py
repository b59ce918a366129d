"""Dual-energy DXA scan of the field: areal density image, BMD per level, on the Hologic scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.simulate_cohort import constants as c
from components.simulate_cohort.attenuation import dxa_coefficients
from components.simulate_cohort.mineral_box import MineralBox
from components.simulate_cohort.mineral_field import MineralField
from components.simulate_cohort.patient import STACK
from components.simulate_cohort.sampling import sampling_weights, upsample
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

    @property
    def bmd_total_g_cm2(self) -> float:
        """BMC of L1-L4 over their area."""
        return float(self.areal_g_cm2[np.any(list(self.regions.values()), axis=0)].mean())

    @property
    def posterior_share(self) -> float:
        """Share of the L1-L4 BMC that lies in the posterior elements."""
        bone = np.any(list(self.regions.values()), axis=0)
        posterior, body = float(self.posterior_g_cm2[bone].sum()), float(self.body_g_cm2[bone].sum())
        return posterior / (posterior + body)


def project(boxes: tuple[MineralBox, ...], x_mm: FloatArray, z_mm: FloatArray, blur_mm: float) -> FloatArray:
    """Antero-posterior projection (Z, X) of mineral in g/cm2 through blur and pixel aperture."""
    image = np.zeros((z_mm.size, x_mm.size))
    for box in boxes:
        column = box.mineral_mg_cc.sum(axis=1) * (box.voxel_mm / 10.0 / 1000.0)
        along = sampling_weights(box.z_mm, box.voxel_mm, z_mm, sigma_mm=blur_mm, width_mm=c.DXA_PIXEL_Z_MM)
        across = sampling_weights(box.x_mm, box.voxel_mm, x_mm, sigma_mm=blur_mm, width_mm=c.DXA_PIXEL_X_MM)
        image += along @ column @ across.T
    return image


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


def _regions(
    field: MineralField, image: FloatArray, x_mm: FloatArray, z_mm: FloatArray
) -> dict[str, NDArray[np.bool_]]:
    centre, _ = field.stack.centreline_mm(z_mm)
    regions: dict[str, NDArray[np.bool_]] = {}
    for above, level in zip(STACK, LEVELS, strict=False):
        body = field.stack.vertebrae[level]
        top, bottom = field.stack.disc_centres_mm[above][2], field.stack.disc_centres_mm[level][2]
        rows = (z_mm < top) & (z_mm > bottom)
        reach = body.half_mm[0] + c.DXA_LATERAL_MARGIN_MM
        window = rows[:, None] & (np.abs(x_mm[None, :] - centre[:, None]) < reach)
        middle = window & (np.abs(x_mm[None, :] - centre[:, None]) < 0.7 * body.half_mm[0])
        threshold = c.DXA_EDGE_FRACTION * float(np.median(image[middle]))
        regions[level] = window & (image > threshold)
    return regions


def _bodies(field: MineralField, x_mm: FloatArray, z_mm: FloatArray) -> dict[str, NDArray[np.bool_]]:
    """Pixels inside each body's upright rectangle, in the body's own axes, without its outer rim."""
    bodies = {}
    for level in LEVELS:
        body = field.stack.vertebrae[level]
        up, left = body.axes[2], body.axes[0]
        dx, dz = x_mm[None, :] - body.centre_mm[0], z_mm[:, None] - body.centre_mm[2]
        w, u = up[0] * dx + up[2] * dz, left[0] * dx + left[2] * dz
        inset = c.TBS_INSET_MM
        bodies[level] = (np.abs(w) < body.half_mm[2] - inset) & (np.abs(u) < body.half_mm[0] - inset)
    return bodies


def scan(field: MineralField, *, repeat: int = 0) -> DxaScan:
    """Scan the field; another `repeat` is another exposure of the same position (precision)."""
    patient = field.patient
    rng = patient.stream("dxa", repeat)
    z_low, z_high = field.stack.z_range_mm
    x = np.arange(-HALF_WIDTH_MM, HALF_WIDTH_MM, c.DXA_PIXEL_X_MM) + c.DXA_PIXEL_X_MM / 2
    z = np.arange(np.floor(z_low), z_high, c.DXA_PIXEL_Z_MM)
    body = project(field.of("body"), x, z, c.DXA_BLUR_MM) * c.BMD_SCALE
    posterior = project(field.of("posterior"), x, z, c.DXA_BLUR_MM) * c.BMD_SCALE
    true = body + posterior
    soft = c.BODY_THICKNESS_CM[0] + c.BODY_THICKNESS_CM[1] * patient.bmi
    image = measure(rng, true, soft)
    coarse = rng.standard_normal((6, 5)) * c.DXA_SOFT_TISSUE_SD_G_CM2
    image += upsample(coarse, (z.size, x.size))
    image *= 1.0 + c.DXA_GAIN_SD * rng.standard_normal()
    return DxaScan(x, z, image, body, posterior, _regions(field, true, x, z), _bodies(field, x, z))
