"""Soft tissue around the spine, painted on axial key planes and interpolated between them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.simulate_cohort import constants as c
from components.simulate_cohort.abdomen import Abdomen, Enhancement
from components.simulate_cohort.anatomy import Stack
from components.simulate_cohort.attenuation import HuTable
from components.simulate_cohort.canvas import Canvas, canvas_places_mm, to_pixels
from components.simulate_cohort.patient import Patient
from components.simulate_cohort.sampling import upsample

FloatArray = NDArray[np.float64]
PLANE_SPACING_MM = 7.0
AIR_HU = -1000.0
BACK_FOLLOWS_SPINE = 0.35  # the back lies on the couch and follows the lordosis only in part


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
    mean_x, mean_y = float(centre_x.mean()), float(centre_y.mean())
    x, y = canvas_places_mm(x_mm), canvas_places_mm(y_mm)
    shape = (count, y.size, x.size)
    # values are drawn in a fixed order and number, so that an enhanced twin differs in nothing else
    sizes = rng.normal(1.0, 0.07, 12)
    streaks = upsample(rng.standard_normal((max(count // 3, 2), 26, 26)), shape)
    loops = upsample(rng.standard_normal((max(count // 3, 2), 12, 12)), shape)
    abdomen = Abdomen(patient, table, enhancement, sizes, rng)
    fat = table.tissue_hu["adipose"]
    lean = table.tissue_hu["muscle"]
    fat_share = (
        c.MUSCLE_FAT[0] + c.MUSCLE_FAT[1] * (patient.age_years - 40) + c.MUSCLE_FAT[2] * (patient.bmi - 25)
    )
    # lean fibres with streaks of fat between them
    np.maximum(streaks, 0.0, out=streaks)
    streaks *= 4.0 * float(np.clip(fat_share, 0.01, 0.30)) * (fat - lean)
    streaks += lean
    upper = float(stack.vertebrae["T12"].centre_mm[2]) + 10.0
    lower = float(stack.vertebrae["L5"].centre_mm[2]) - 6.0
    anterior = -float(stack.vertebrae["L2"].half_mm[1])
    planes = np.full(shape, AIR_HU)
    for k in range(count):
        down = (upper - z[k]) / (upper - lower)  # 0 at T12, 1 at L5, beyond it the sacrum
        canvas = Canvas(x[None, :] - centre_x[k], y[:, None] - centre_y[k], planes[k])
        # where the trunk lies, seen from the spine at this height
        shift = (mean_x - centre_x[k], (1.0 - BACK_FOLLOWS_SPINE) * (mean_y - centre_y[k]))
        _trunk(canvas, patient, shift, streaks[k], fat)
        abdomen.bowel(canvas, patient, shift, streaks[k], loops[k])
        abdomen.organs(canvas, down, anterior)
        _muscles(canvas, down, sizes, streaks[k], lean, fat)
        abdomen.branches(canvas, down, anterior)
        abdomen.vessels(canvas, down, anterior)
        abdomen.gas(canvas, down, anterior)
        # spinal canal: epidural fat around the thecal sac
        behind = -anterior + 9.0
        sac = max(8.0 - 1.5 * down, 4.0)
        canvas.ellipse((0.0, behind), (11.5, 10.0), fat)
        canvas.ellipse((0.0, behind), (sac + 1.0, sac), c.ORGAN_HU["thecal sac"])
        _couch(canvas, patient, shift)
    return z, to_pixels(to_pixels(planes, x, x_mm, axis=2), y, y_mm, axis=1)


def _back_mm(patient: Patient) -> float:
    """The skin of the back, behind the centreline."""
    return 86.0 * patient.size + 1.5 * (patient.bmi - 22.0)


def _trunk(
    canvas: Canvas, patient: Patient, shift: tuple[float, float], muscle: FloatArray, fat: float
) -> None:
    """Skin, subcutaneous fat and the muscular wall."""
    depth = 10.0 * (c.BODY_THICKNESS_CM[0] + c.BODY_THICKNESS_CM[1] * patient.bmi)
    half_width = depth * 0.72
    layer = 10.0 + 1.6 * (patient.bmi - 18.0) * (1.25 if patient.sex == "F" else 0.9)
    middle = (shift[0], shift[1] + _back_mm(patient) - depth / 2)
    canvas.outlined(middle, (half_width - 2.0, depth / 2 - 2.0), fat, c.ORGAN_HU["skin"], 2.0)
    wall = (middle[0], middle[1] - 4.0)
    canvas.ellipse(wall, (half_width - layer, depth / 2 - layer * 0.8), muscle)


def _muscles(
    canvas: Canvas, down: float, sizes: FloatArray, muscle: FloatArray, lean: float, fat: float
) -> None:
    """Erector spinae, multifidus, quadratus lumborum, psoas, and at the pelvis iliacus and gluteus."""
    low = float(np.clip(down, 0.0, 1.2))
    psoas_hu = 0.5 * (muscle + lean)  # holds less fat than the back's muscles
    psoas = (6.0 + 17.0 * low) * sizes[4]
    septum = 0.45 * fat + 0.55 * lean  # thinner than a pixel
    for side in (-1.0, 1.0):
        if down > 0.80:
            canvas.outlined((side * 104.0, 26.0), (24.0, 44.0), muscle, fat)
            canvas.outlined((side * 82.0, 0.0), (20.0, 32.0), muscle, fat)
        else:
            canvas.outlined((side * (58 + 8 * low), 29.0), (19.0, 10.0 * sizes[3]), muscle, fat, 1.0)
        long = (30.0 - 6.0 * low) * sizes[1]
        canvas.outlined((side * (7.0 + long), 57.0), (long, (25.0 - 3.0 * low) * sizes[2]), muscle, septum)
        # multifidus fills the gutter between lamina and spinous process
        canvas.ellipse((side * 15.0, 40.0), (17.0, 16.0), muscle)
        canvas.outlined((side * 13.0, 48.0), (13.0 + 4.0 * low, 15.0 + 4.0 * low), muscle, septum, 0.8)
        if psoas > 7.0:
            centre = (side * (19.0 + 0.78 * psoas + 4 * low), 3.0 - 40.0 * max(down - 0.8, 0.0))
            canvas.outlined(centre, (0.8 * psoas, psoas * 1.05), psoas_hu, fat)


def _couch(canvas: Canvas, patient: Patient, shift: tuple[float, float]) -> None:
    """Two thin carbon-fibre shells of the table and the foam between; only a wide field of view reaches them."""
    x, y = canvas.x_mm - shift[0], canvas.y_mm - shift[1]
    if float(y[-1, 0]) < _back_mm(patient):
        return
    top = _back_mm(patient) + 4.0 - x * x / c.COUCH_RADIUS_MM / 2
    inner = (y > top) & (y < _back_mm(patient) + c.COUCH_DEPTH_MM) & (np.abs(x) < c.COUCH_HALF_WIDTH_MM)
    np.copyto(canvas.hu, c.COUCH_FOAM_HU, where=inner & (canvas.hu < -500.0))
    for surface in (top, np.full_like(top, _back_mm(patient) + c.COUCH_DEPTH_MM)):
        share = np.clip(1.6 - np.abs(y - surface), 0.0, 1.0) * (np.abs(x) < c.COUCH_HALF_WIDTH_MM)
        share *= canvas.hu < -500.0
        canvas.hu += share * (c.COUCH_SHELL_HU - canvas.hu)


def between_planes(plane_z_mm: FloatArray, planes: FloatArray, z_mm: FloatArray) -> FloatArray:
    """Planes (K, H, W) interpolated linearly to slices (S, H, W)."""
    position = np.clip((z_mm - plane_z_mm[0]) / (plane_z_mm[1] - plane_z_mm[0]), 0.0, planes.shape[0] - 1.001)
    lower = position.astype(np.int64)
    volume = np.empty((z_mm.size, *planes.shape[1:]))
    for s, (k, share) in enumerate(zip(lower.tolist(), (position - lower).tolist(), strict=True)):
        np.subtract(planes[k + 1], planes[k], out=volume[s])
        volume[s] *= share
        volume[s] += planes[k]
    return volume
