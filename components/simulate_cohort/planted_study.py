"""Patients of a study of the intake's rules: findings and enhancement planted, in random streams of their own.

Nothing of an ordinary cohort depends on these; patients of a study and of a cohort of the same seed differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from components.simulate_cohort import constants as c
from components.simulate_cohort.abdomen import Enhancement
from components.simulate_cohort.anatomy import build_stack
from components.simulate_cohort.ct import CtImage, image_affine, render, voxel_places_mm
from components.simulate_cohort.dicom_series import SeriesHeader, ordinary_header
from components.simulate_cohort.findings import Findings, draw_findings, draw_fracture
from components.simulate_cohort.mineral_field import build_field
from components.simulate_cohort.params import SimulateParams
from components.simulate_cohort.patient import Patient, draw_patient
from components.simulate_cohort.patient_folder import FIRST_DAY, TILT_DEG, header_with_defect, patient_id
from components.simulate_cohort.scanner import VENDORS, Acquisition, draw_acquisition
from models.levels import LEVELS

PURPOSE = "intake study"
CASES = ("as drawn", "screws", "cement", "fracture", "fracture", "scoliosis")
LUMEN_HU = (180.0, 300.0)  # of an enhanced aorta, as in the cohort's contrast defects
ENHANCED_SHARE = 0.5


@dataclass(frozen=True)
class StudyPatient:
    """One patient on one scanner, before any image is made.

    Attributes
    ----------
    case
        Which of `CASES` was planted.
    lumen_hu
        HU of the enhanced aorta, None for a native scan.
    """

    patient: Patient
    acquisition: Acquisition
    header: SeriesHeader
    findings: Findings
    case: str
    lumen_hu: float | None

    def image(self) -> CtImage:
        """The CT, rendered."""
        field = build_field(self.patient, self.findings)
        noise = self.patient.stream("noise")
        return render(field, self.acquisition, rng=noise, enhancement=Enhancement(self.lumen_hu))

    def blank_image(self, *, tilt_deg: float = 0.0) -> CtImage:
        """An image of no content in the place and of the shape that `image` would have."""
        places = voxel_places_mm(build_stack(self.patient, self.findings), self.acquisition)
        shape = (places[0].size, places[1].size, places[2].size)
        return CtImage(
            np.broadcast_to(np.int16(0), shape),
            image_affine(places, self.acquisition, tilt_deg),
            np.broadcast_to(np.uint8(0), shape),
            np.array(self.acquisition.isocentre_mm),
        )


def study_patient(
    index: int, seed: int, params: SimulateParams, *, planted: bool, defect: str | None = None
) -> StudyPatient:
    """Patient `index` of the study with this seed, on the vendors in turn.

    Parameters
    ----------
    planted
        Whether a finding and enhancement are planted; otherwise the patient is as drawn, without contrast.
    defect
        A planted defect (`planned_defects.DEFECTS`) that changes what the series declares.
    """
    patient = draw_patient(index, seed, purpose=PURPOSE)
    rng = patient.stream("acquisition")
    vendors = sorted(VENDORS)
    acquisition = draw_acquisition(
        rng,
        vendors[(index + index // len(CASES)) % len(vendors)],
        bmi=patient.bmi,
        matrix=params.matrix,
        pixel_range_mm=params.pixel_spacing_mm,
    )
    day = FIRST_DAY + timedelta(days=int(rng.integers(0, 600)))
    header = header_with_defect(ordinary_header(patient, patient_id(index), day, acquisition), defect)
    case = CASES[index % len(CASES)] if planted else CASES[0]
    contrast = patient.stream("planted contrast")
    lumen_hu = float(contrast.uniform(*LUMEN_HU))
    enhanced = planted and contrast.random() < ENHANCED_SHARE
    return StudyPatient(
        patient, acquisition, header, _findings(patient, case), case, lumen_hu if enhanced else None
    )


def defect_tilt_deg(defect: str | None) -> float:
    """Gantry tilt that a planted defect gives."""
    return TILT_DEG if defect == "gantry_tilt" else 0.0


def _findings(patient: Patient, case: str) -> Findings:
    """The patient's own findings, or one kind of finding alone, drawn as the cohort draws it."""
    rng = patient.stream("planted finding")
    level = LEVELS[int(rng.integers(len(LEVELS)))]
    if case == "screws":
        return Findings(screws=c.SCREW_LEVELS[int(rng.integers(len(c.SCREW_LEVELS)))])
    if case == "cement":
        return Findings(cement=(level,))
    if case == "fracture":
        return Findings(fractures={level: draw_fracture(rng)})
    if case == "scoliosis":
        side = 1.0 if rng.random() < 0.5 else -1.0
        return Findings(cobb_deg=side * float(rng.uniform(*c.SCOLIOSIS_COBB_DEG)))
    return draw_findings(patient)
