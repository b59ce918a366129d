"""Soft tissue around the spine, drawn on axial key planes and interpolated between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.simulate_cohort import constants as c
from components.simulate_cohort.anatomy import Stack
from components.simulate_cohort.attenuation import HuTable
from components.simulate_cohort.patient import Patient
from components.simulate_cohort.sampling import upsample

FloatArray = NDArray[np.float64]
PLANE_SPACING_MM = 9.0
AIR_HU = -1000.0
GAS_HU = -900.0


@dataclass(frozen=True)
class Enhancement:
    """Iodine in the image: HU of the aortic lumen; veins and organs follow. None of it: `aorta_hu` is None."""

    aorta_hu: float | None = None


@dataclass
class _Canvas:
    """One plane being painted, in coordinates relative to the body centre (x left, y posterior)."""

    x: FloatArray  # (1, W)
    y: FloatArray  # (H, 1)
    pixel_mm: float
    hu: FloatArray  # (H, W)

    def ellipse(
        self, centre: tuple[float, float], radii: tuple[float, float], hu: float | FloatArray
    ) -> None:
        """Paint an ellipse with soft edges, touching only the pixels around it."""
        margin = 2 * self.pixel_mm
        columns = np.flatnonzero(np.abs(self.x[0] - centre[0]) < radii[0] + margin)
        rows = np.flatnonzero(np.abs(self.y[:, 0] - centre[1]) < radii[1] + margin)
        if columns.size == 0 or rows.size == 0:
            return
        window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        p, q = (self.x[:, window[1]] - centre[0]) / radii[0], (self.y[window[0]] - centre[1]) / radii[1]
        depth = (1.0 - np.sqrt(p * p + q * q)) * min(radii)
        share = np.clip(depth / (1.5 * self.pixel_mm) + 0.5, 0.0, 1.0)
        value = hu[window] if isinstance(hu, np.ndarray) else hu
        self.hu[window] += share * (value - self.hu[window])


def _smooth(
    rng: np.random.Generator, shape: tuple[int, int, int], coarse: tuple[int, int, int]
) -> FloatArray:
    return upsample(rng.standard_normal(coarse), shape)


def key_planes(
    patient: Patient,
    stack: Stack,
    x_mm: FloatArray,
    y_mm: FloatArray,
    table: HuTable,
    enhancement: Enhancement,
) -> tuple[FloatArray, FloatArray]:
    """HU of soft tissue on key planes, ascending in z.

    Parameters
    ----------
    x_mm, y_mm
        (W,) and (H,) pixel centres in the patient's own frame.

    Returns
    -------
    z_mm (K,), hu (K, H, W) float64.
    """
    rng = patient.stream("soft-tissue")
    low, high = stack.z_range_mm
    count = int(np.ceil((high - low) / PLANE_SPACING_MM)) + 3
    z = low - PLANE_SPACING_MM + PLANE_SPACING_MM * np.arange(count, dtype=np.float64)
    centre_x, centre_y = stack.centreline_mm(z)
    tissue, pixel = table.tissue_hu, float(x_mm[1] - x_mm[0])
    # values are drawn in a fixed order and number, so that an enhanced twin differs in nothing else
    sizes = rng.normal(1.0, 0.07, 12)
    fat_in_muscle = float(
        np.clip(0.06 + 0.0035 * (patient.age_years - 40) + 0.006 * (patient.bmi - 25), 0.03, 0.4)
    )
    infiltration = _smooth(rng, (count, y_mm.size, x_mm.size), (max(count // 3, 2), 24, 24))
    organs = _smooth(rng, (count, y_mm.size, x_mm.size), (max(count // 2, 2), 9, 9))
    gas = rng.random((3, 4))
    lean = tissue["muscle"] + 12.0
    muscle_hu = lean + fat_in_muscle * 1.6 * (tissue["adipose"] - lean) * np.clip(
        0.62 + 0.6 * infiltration, 0, 2.0
    )
    bowel_hu = np.where(organs > -0.1, lean - 18.0 + 4.0 * organs, tissue["adipose"])
    blood = tissue["blood"] + 9.0
    aorta = blood if enhancement.aorta_hu is None else enhancement.aorta_hu
    cava = blood if enhancement.aorta_hu is None else 0.6 * enhancement.aorta_hu + 20.0
    kidney = 32.0 if enhancement.aorta_hu is None else 0.65 * enhancement.aorta_hu
    depth = 10.0 * (c.BODY_THICKNESS_CM[0] + c.BODY_THICKNESS_CM[1] * patient.bmi)
    back = 82.0 * patient.size + 1.5 * (patient.bmi - 22.0)
    half_width = depth * 0.72
    fat_layer = 10.0 + 1.6 * (patient.bmi - 18.0) * (1.25 if patient.sex == "F" else 0.9)
    anterior = -stack.vertebrae["L2"].half_mm[1]
    planes = np.empty((count, y_mm.size, x_mm.size))
    for k in range(count):
        down = (high - z[k]) / (high - low)  # 0 at T12, 1 at L5
        canvas = _Canvas(
            x_mm[None, :] - centre_x[k],
            y_mm[:, None] - centre_y[k],
            pixel,
            np.full((y_mm.size, x_mm.size), AIR_HU),
        )
        middle = back - depth / 2
        canvas.ellipse((0.0, middle), (half_width, depth / 2), tissue["adipose"])
        canvas.ellipse((0.0, middle - 4), (half_width - fat_layer, depth / 2 - fat_layer * 0.8), muscle_hu[k])
        canvas.ellipse(
            (0.0, middle - 12), (half_width - fat_layer - 16, depth / 2 - fat_layer * 0.8 - 14), bowel_hu[k]
        )
        # retroperitoneal fat, then what lies in it
        canvas.ellipse((0.0, anterior - 2), (62.0, 30.0), tissue["adipose"])
        for side in (-1.0, 1.0):
            canvas.ellipse((side * 36 * sizes[0], 56.0), (30.0 * sizes[1], 25.0 * sizes[2]), muscle_hu[k])
            canvas.ellipse((side * 17, 44.0), (15.0, 17.0), muscle_hu[k])
            canvas.ellipse((side * (64 + 6 * down), 30.0), (20.0, 11.0 * sizes[3]), muscle_hu[k])
            psoas = (7.0 + 16.0 * down) * sizes[4]
            canvas.ellipse(
                (side * (25.0 + 0.75 * psoas + 4 * down), 2.0), (0.8 * psoas, psoas * 1.05), muscle_hu[k]
            )
            if down < 0.62:
                canvas.ellipse((side * 62.0 * sizes[5], 2.0), (24.0 * sizes[6], 27.0), kidney)
        vessel = (9.0 + 0.04 * (patient.age_years - 60)) * sizes[7] * (1.1 if patient.sex == "M" else 1.0)
        if down < 0.80:
            canvas.ellipse((7.0 + 3 * sizes[8], anterior - vessel - 3.0), (vessel, vessel), aorta)
        else:
            apart = 8.0 + 45.0 * (down - 0.80)
            canvas.ellipse((apart, anterior - 9.0), (6.5, 6.5), aorta)
            canvas.ellipse((-apart + 2, anterior - 9.0), (6.0, 6.0), aorta)
        canvas.ellipse((-15.0, anterior - 9.0), (10.5 * sizes[9], 7.5), cava)
        for pocket in gas:
            if abs(down - pocket[0]) < 0.07:
                place = (120 * (pocket[1] - 0.5), anterior - 45 - 40 * pocket[2])
                canvas.ellipse(place, (6 + 12 * pocket[3], 5 + 8 * pocket[3]), GAS_HU)
        # spinal canal: epidural fat around the thecal sac
        behind = -anterior + 9.0
        canvas.ellipse((0.0, behind), (11.5, 10.0), tissue["adipose"])
        canvas.ellipse((0.0, behind), (9.0, 8.0 - 1.5 * down), 22.0)
        planes[k] = canvas.hu
    return z, planes


def between_planes(plane_z_mm: FloatArray, planes: FloatArray, z_mm: FloatArray) -> FloatArray:
    """Planes (K, H, W) interpolated linearly to slices (S, H, W)."""
    position = np.clip((z_mm - plane_z_mm[0]) / (plane_z_mm[1] - plane_z_mm[0]), 0.0, planes.shape[0] - 1.001)
    lower = position.astype(np.int64)
    volume = np.empty((z_mm.size, *planes.shape[1:]))
    for s, (k, share) in enumerate(zip(lower.tolist(), (position - lower).tolist(), strict=True)):
        np.multiply(planes[k], 1.0 - share, out=volume[s])
        volume[s] += share * planes[k + 1]
    return volume
