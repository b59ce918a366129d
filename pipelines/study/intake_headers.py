"""What the intake's rules make of simulated series' headers alone: no image is made, so thousands are quick."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import pandas as pd

from components.ingest_dicom.geometry import stack_geometry
from components.ingest_dicom.headers import Header
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import SIMULATED_KEY, Pseudonymiser
from components.ingest_dicom.scan import SeriesFiles
from components.ingest_dicom.series import CtSeries, describe_series
from components.ingest_dicom.statistics import HuStatistics
from components.prepare_vertebrae.streamed_series import streamed_headers
from components.simulate_cohort.params import SimulateParams
from components.simulate_cohort.planned_defects import DEFECTS
from components.simulate_cohort.planted_study import defect_tilt_deg, study_patient
from components.validate_dicom.params import ValidateParams
from components.validate_dicom.rules import Severity
from components.validate_dicom.series_frame import rule_frame
from components.validate_dicom.series_rules import series_rules
from models.refusal import Basis, Code

# Defects of the cohort that a series' headers show; the others need pixels, a DXA table or a broken file.
HEADER_DEFECTS: tuple[str, ...] = (
    "slice_missing", "spacing_wrong", "gantry_tilt", "modality_conflict", "duplicate_uid", "contrast_by_tag",
    "contrast_by_words", "virtual_non_contrast", "monoenergetic", "vendor_unknown",
)  # fmt: skip
_PSEUDONYMS = Pseudonymiser(SIMULATED_KEY)


class Verdict(NamedTuple):
    """Codes of one series, and those of them that rest on words."""

    codes: frozenset[Code]
    by_words: frozenset[Code]


def declared_series(index: int, seed: int, params: SimulateParams, defect: str | None = None) -> SeriesFiles:
    """Headers of the series of a study's patient as drawn, with a planted defect or none."""
    made = study_patient(index, seed, params, planted=False, defect=defect)
    series = streamed_headers(made, made.blank_image(tilt_deg=defect_tilt_deg(defect)))
    files = list(series.files)
    middle = len(files) // 2
    if defect == "slice_missing":
        del files[middle]
    if defect == "duplicate_uid":
        files[middle] = replace(files[middle], sop_instance_uid=files[middle - 1].sop_instance_uid)
    return replace(series, files=tuple(files))


def scrubbed(series: SeriesFiles) -> SeriesFiles:
    """The series after an anonymiser: no descriptions, every UID another one (equal ones stay equal)."""

    def renamed(uid: str) -> str:
        return f"2.25.{int.from_bytes(uid.encode(), 'big') % 10**30}" if uid else ""

    def clean(header: Header) -> Header:
        return replace(
            header,
            study_description="",
            series_description="",
            protocol_name="",
            sop_instance_uid=renamed(header.sop_instance_uid),
            series_instance_uid=renamed(header.series_instance_uid),
            study_instance_uid=renamed(header.study_instance_uid),
            frame_of_reference_uid=renamed(header.frame_of_reference_uid),
        )

    return SeriesFiles(renamed(series.series_instance_uid), tuple(clean(header) for header in series.files))


def header_row(series: SeriesFiles, ingest: IngestParams) -> CtSeries:
    """The row of the series table with all that headers tell; what only pixels tell is NaN."""
    geometry = stack_geometry(series.files, ingest.position_tolerance_mm)
    refused = geometry.refusals(ingest.position_tolerance_mm)
    return describe_series(
        series,
        _PSEUDONYMS,
        geometry,
        HuStatistics(),
        contrast_image_hu=math.nan,
        unreadable_count=0,
        read_codes=" ".join(dict.fromkeys(refusal.code for refusal in refused)),
        has_levels=True,
    )


def header_verdicts(rows: list[CtSeries], params: ValidateParams) -> list[Verdict]:
    """Critical codes of each row by the rules that every series is judged by."""
    frame = rule_frame(pd.DataFrame([vars(row) for row in rows]))
    codes: list[set[Code]] = [set() for _ in rows]
    by_words: list[set[Code]] = [set() for _ in rows]
    for rule in series_rules(params):
        if rule.severity is not Severity.CRITICAL:
            continue
        for place in rule.failing(frame).to_numpy().nonzero()[0].tolist():
            codes[place].add(rule.code)
            if rule.basis_of(frame.iloc[place]) is Basis.WORDS:
                by_words[place].add(rule.code)
    return [Verdict(frozenset(one), frozenset(two)) for one, two in zip(codes, by_words, strict=True)]


def expected_code(defect: str) -> Code:
    """The code that a planted defect must get."""
    return DEFECTS[defect]
