"""The eleventh and twelfth ribs, as far as the images reach."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.simulate_cohort import constants as c
from components.simulate_cohort.anatomy import Stack
from components.simulate_cohort.mineral_box import MineralBox
from components.simulate_cohort.patient import Patient

FloatArray = NDArray[np.float64]
VOXEL_MM = 1.2
# across, backwards and upwards from the centre of T12, mm: head, neck, angle, shaft, tip; illustrative
COURSE = {
    "12": (
        (17.0, 28.0, 40.0, 58.0, 80.0, 96.0),
        (9.0, 21.0, 30.0, 34.0, 26.0, 14.0),
        (4.0, 1.0, -4.0, -14.0, -30.0, -43.0),
    ),
    "11": (
        (17.0, 30.0, 46.0, 68.0, 92.0, 112.0, 122.0),
        (8.0, 22.0, 35.0, 42.0, 34.0, 14.0, -8.0),
        (31.0, 27.0, 21.0, 9.0, -8.0, -26.0, -38.0),
    ),
}
THICK_MM, HIGH_MM = 3.3, 5.2  # half axes of the section


def build_ribs(
    patient: Patient, stack: Stack, z_range_mm: tuple[float, float], reach_mm: float
) -> list[MineralBox]:
    """Both pairs, each side a box, inside the z range and within `reach_mm` of the middle."""
    t12 = stack.vertebrae["T12"]
    rng = patient.stream("ribs")
    boxes = []
    for name, (across, backwards, upwards) in COURSE.items():
        long = float(np.clip(rng.normal(1.0, 0.10), 0.7, 1.2)) * patient.size
        for side in (-1.0, 1.0):
            place = np.array(across) * patient.size
            place = place[0] + (place - place[0]) * (long if name == "12" else patient.size)
            last = min(float(place[-1]), reach_mm)
            x = np.arange(place[0] - 2.0, last, VOXEL_MM)
            y_course = np.interp(x, place, np.array(backwards) * patient.size)
            z_course = np.interp(x, place, np.array(upwards) * patient.size)
            kernel = np.hanning(11) / np.hanning(11).sum()
            y_course, z_course = (
                np.convolve(np.pad(course, 5, mode="edge"), kernel, mode="valid")
                for course in (y_course, z_course)
            )
            z_course = z_course + t12.centre_mm[2]
            keep = (z_course > z_range_mm[0] - 8.0) & (z_course < z_range_mm[1] + 8.0)
            if keep.sum() < 3:
                continue
            x, y_course, z_course = x[keep], y_course[keep], z_course[keep]
            boxes.append(
                _rib(
                    patient,
                    name,
                    side,
                    x,
                    y_course + t12.centre_mm[1],
                    z_course,
                    t12.centre_mm[0],
                    z_range_mm,
                )
            )
    return boxes


def _rib(
    patient: Patient,
    name: str,
    side: float,
    x: FloatArray,
    y_course: FloatArray,
    z_course: FloatArray,
    middle_mm: float,
    z_range_mm: tuple[float, float],
) -> MineralBox:
    size = patient.size
    y = np.arange(y_course.min() - 8.0, y_course.max() + 8.0, VOXEL_MM)
    z = np.arange(
        max(z_course.min() - 9.0, z_range_mm[0]), min(z_course.max() + 9.0, z_range_mm[1]), VOXEL_MM
    )
    # a section across x is longer where the rib runs obliquely
    steep_y, steep_z = (np.sqrt(1.0 + np.square(np.gradient(course, x))) for course in (y_course, z_course))
    thin = np.clip((np.arange(x.size)[::-1] + 2.0) / 6.0, 0.35, 1.0)  # a pointed tip
    p = (y[:, None] - y_course) / (THICK_MM * size * steep_y * thin)
    q = (z[:, None] - z_course) / (HIGH_MM * size * steep_z * thin)
    radius = np.sqrt(np.square(p)[None] + np.square(q)[:, None])
    depth = (1.0 - radius) * THICK_MM * size
    envelope = np.clip(depth / VOXEL_MM + 0.5, 0.0, 1.0)
    rind = np.clip((c.RIB_SHELL_MM - depth) / VOXEL_MM + 0.5, 0.0, 1.0)
    mineral = envelope * (c.RIB_CORE_SHARE * patient.vbmd_mg_cc + rind * c.RIB_SHELL_MG_CC)
    x = middle_mm + side * x
    if side < 0:
        x, mineral, envelope = x[::-1], mineral[:, :, ::-1], envelope[:, :, ::-1]
    return MineralBox(
        "rib", name, x, y, z, VOXEL_MM, np.ascontiguousarray(mineral), np.ascontiguousarray(envelope)
    )
