"""Unlabelled clinic traffic, streamed: the very CT of the cohort without DICOM, DXA or labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.simulate_cohort.ct import render
from components.simulate_cohort.mineral_field import build_field
from components.simulate_cohort.params import SimulateParams
from components.simulate_cohort.patient import draw_patient
from components.simulate_cohort.scanner import draw_acquisition
from models.levels import LEVELS

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class SimulatedStudy:
    """One study of the traffic.

    Attributes
    ----------
    hu
        (S, H, W) int16 HU.
    affine
        (4, 4) (slice, row, column, 1) -> LPS mm.
    centres_mm
        Per level (3,) LPS mm, the body's centre.
    axes
        Per level (3, 3), rows are unit vectors left, posterior, superior of the body in LPS.
    """

    index: int
    hu: NDArray[np.int16]
    affine: FloatArray
    centres_mm: dict[str, FloatArray]
    axes: dict[str, FloatArray]
    vendor: str
    manufacturer: str
    model: str
    kvp: float
    kernel: str
    slice_thickness_mm: float
    slice_spacing_mm: float
    pixel_spacing_mm: float
    sex: str
    age_years: float
    bmi: float


def simulate_study(index: int, seed: int, vendor: str | None, params: SimulateParams) -> SimulatedStudy:
    """Study `index` of the traffic with this seed; `vendor` None draws one from the mix.

    Traffic has streams of its own: study 3 is not patient 3 of a cohort with the same seed.
    """
    patient = draw_patient(index, seed, purpose="traffic")
    rng = patient.stream("acquisition")
    names = sorted(params.vendor_mix)
    weights = np.array([params.vendor_mix[name] for name in names])
    drawn = names[int(rng.choice(len(names), p=weights / weights.sum()))]
    acquisition = draw_acquisition(
        rng, vendor or drawn, bmi=patient.bmi, matrix=params.matrix, pixel_range_mm=params.pixel_spacing_mm
    )
    field = build_field(patient)
    image = render(field, acquisition, rng=patient.stream("noise"))
    stack = field.stack.vertebrae
    return SimulatedStudy(
        index=index,
        hu=image.hu,
        affine=image.affine,
        centres_mm={level: stack[level].centre_mm + image.offset_mm for level in LEVELS},
        axes={level: stack[level].axes for level in LEVELS},
        vendor=acquisition.vendor,
        manufacturer=acquisition.manufacturer,
        model=acquisition.model,
        kvp=acquisition.kvp,
        kernel=acquisition.protocol.kernel,
        slice_thickness_mm=acquisition.protocol.slice_thickness_mm,
        slice_spacing_mm=acquisition.protocol.slice_spacing_mm,
        pixel_spacing_mm=acquisition.pixel_spacing_mm,
        sex=patient.sex,
        age_years=patient.age_years,
        bmi=patient.bmi,
    )
