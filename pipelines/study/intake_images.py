"""What the intake's image rules make of one simulated patient: rendered, read, measured, judged."""

from __future__ import annotations

import math
from dataclasses import asdict

import pandas as pd

from components.ingest_dicom.inspect_series import inspect_series
from components.ingest_dicom.pseudonym import SIMULATED_KEY, Pseudonymiser
from components.prepare_vertebrae.levels import spine_of
from components.prepare_vertebrae.scoliosis import lateral_curve_deg
from components.prepare_vertebrae.streamed_patient import StreamParams
from components.prepare_vertebrae.streamed_series import LEVEL_FILE, streamed_series
from components.prepare_vertebrae.unmeasurable import level_evidence, refused_levels, refused_spine
from components.simulate_cohort.findings import Fracture
from components.simulate_cohort.params import SimulateParams
from components.simulate_cohort.planted_study import study_patient
from components.validate_dicom.check_series import check_series
from models.levels import LEVELS
from models.params import Section
from pipelines.study.wrong_scale import refused_scales

_PSEUDONYMS = Pseudonymiser(SIMULATED_KEY)


class ImageJob(Section):
    """One patient to be measured."""

    index: int
    seed: int
    simulate: SimulateParams


class LevelFacts(Section):
    """Truth, measurement and verdict of one level.

    Attributes
    ----------
    metal, fracture
        Truth: screws or cement; the share of height lost, 0 without a fracture.
    metal_mm3, cement_mm3, height_loss
        `LevelEvidence`; height_loss None where heights could not be read.
    code
        What the level is refused with, "" if with nothing.
    """

    level: str
    metal: bool
    fracture: float
    fracture_kind: str
    metal_mm3: float
    cement_mm3: float
    height_loss: float | None
    code: str


class PatientFacts(Section):
    """Truth, measurement and verdict of one patient.

    Attributes
    ----------
    enhanced, cobb_deg
        Truth.
    aorta_hu
        None where no lumen was found.
    air_peak_hu
        None where no air is in view: it is then not checked.
    wrong_scales_refused
        By `WRONG_SCALES`, whether the same series with wrong values is HU_IMPLAUSIBLE.
    curve_deg
        Between L1 and L4, seen from the front.
    series_codes
        What the whole series is refused with: by the rules of validation, and SCOLIOSIS.
    """

    seed: int
    index: int
    case: str
    vendor: str
    kvp: float
    slice_spacing_mm: float
    noise_hu: float
    enhanced: bool
    cobb_deg: float
    aorta_hu: float | None
    air_peak_hu: float | None
    wrong_scales_refused: dict[str, bool]
    curve_deg: float
    series_codes: list[str]
    levels: list[LevelFacts]


def measure_patient(job: ImageJob, params: StreamParams) -> PatientFacts:
    """Simulate one patient of the study and take the image through the reader and every image rule."""
    made = study_patient(job.index, job.seed, job.simulate, planted=True)
    tolerance_mm = params.ingest.position_tolerance_mm
    read = streamed_series(made, made.image(), position_tolerance_mm=tolerance_mm)
    row = inspect_series(read.files, _PSEUDONYMS, params.ingest, volume=read.volume, has_levels=True)
    verdict = check_series(pd.DataFrame([asdict(row)]), params.validate)
    levels = spine_of(read.labels, params.prepare.levels, source=LEVEL_FILE, volume=read.volume).levels
    rules = params.prepare.unmeasurable
    evidence = level_evidence(read.volume, levels, rules)
    refused = refused_levels(evidence, rules)
    fractures, metal = made.findings.fractures, {*made.findings.screws, *made.findings.cement}
    return PatientFacts(
        seed=job.seed,
        index=job.index,
        case=made.case,
        vendor=made.acquisition.vendor,
        kvp=made.acquisition.kvp,
        slice_spacing_mm=made.acquisition.protocol.slice_spacing_mm,
        noise_hu=round(made.acquisition.noise_sd_hu, 1),
        enhanced=made.lumen_hu is not None,
        cobb_deg=round(abs(made.findings.cobb_deg), 1),
        aorta_hu=_number(row.contrast_image_hu),
        air_peak_hu=_number(row.hu_air_peak),
        wrong_scales_refused=refused_scales(
            read.volume, row, params.validate, statistics_slices=params.ingest.statistics_slices
        ),
        curve_deg=round(lateral_curve_deg(levels), 2),
        series_codes=[item.code.value for item in (*verdict.refusals, *refused_spine(levels, rules))],
        levels=[
            LevelFacts(
                level=name,
                metal=name in metal,
                fracture=_lost(fractures[name]) if name in fractures else 0.0,
                fracture_kind=fractures[name].kind if name in fractures else "",
                metal_mm3=evidence[name].metal_mm3,
                cement_mm3=evidence[name].cement_mm3,
                height_loss=_number(evidence[name].height_loss),
                code=refused[name].code.value if name in refused else "",
            )
            for name in LEVELS
            if name in evidence
        ],
    )


def _lost(fracture: Fracture) -> float:
    return round(max(fracture.front, fracture.middle, fracture.back), 3)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 4)
