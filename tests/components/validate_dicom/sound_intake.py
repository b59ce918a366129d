"""A sound series and a sound exam, to be broken one value at a time."""

from __future__ import annotations

import csv
import dataclasses
from datetime import date
from pathlib import Path
from typing import Any

from components.ingest_dicom.pseudonym import Pseudonymiser
from components.ingest_dicom.series import CtSeries
from models.dxa_columns import DXA_COLUMNS

KEY = b"a key of these tests, not secret"

SOUND_SERIES: dict[str, Any] = {
    "series": "s", "patient": "p", "study": "t", "vendor": "GE", "model": "Discovery", "modality": "CT",
    "kvp": 120.0, "kernel": "STANDARD", "kernel_class": "soft", "slice_thickness_mm": 2.5,
    "slice_spacing_mm": 2.5, "declared_spacing_mm": 2.5, "spacing_deviation_mm": 0.0, "pixel_spacing_mm": 0.8,
    "rows": 256, "columns": 256, "slice_count": 80, "file_count": 80, "gap_count": 0, "duplicate_count": 0,
    "tilt_deg": 0.0, "orientation": "HFS axial", "orientation_consistent": True, "contrast_tag": False,
    "contrast_words": "", "contrast_image_hu": 45.0, "image_class": "original", "image_class_basis": "",
    "transfer_syntax": "1.2.840.10008.1.2.1", "photometric": "MONOCHROME2", "has_rescale": True,
    "duplicate_uid_count": 0, "mixed_count": 0, "truncated_count": 0, "unreadable_count": 0, "read_codes": "",
    "acquisition_date": "2024-05-10", "sex": "F", "age_years": 63.0, "hu_air_peak": -1000.0,
    "hu_fat_peak": -100.0, "hu_soft_tissue_peak": 45.0,
    "hu_p01": -120.0, "hu_p05": -100.0, "hu_p50": 30.0, "hu_p95": 180.0,
    "hu_p99": 400.0, "has_levels": True, "series_uid_missing": False, "lossy": False,
}  # fmt: skip

SOUND_EXAM: dict[str, str] = {
    "patient_id": "ID1", "exam_date": "2024-05-01", "device": "Hologic Horizon A", "sex": "F", "age_years": "63",
    "height_cm": "160", "weight_kg": "64", "bmd_l1_g_cm2": "0.9", "bmd_l2_g_cm2": "0.95", "bmd_l3_g_cm2": "1.0",
    "bmd_l4_g_cm2": "1.0", "bmd_l1_l4_g_cm2": "0.965", "tbs_l1": "1.2", "tbs_l2": "1.25", "tbs_l3": "1.3",
    "tbs_l4": "1.3", "tbs_l1_l4": "1.26", "invalid_l1": "0", "invalid_l2": "0", "invalid_l3": "0",
    "invalid_l4": "0",
}  # fmt: skip


def series_row(**changes: Any) -> CtSeries:
    fields = {field.name for field in dataclasses.fields(CtSeries)}
    assert set(SOUND_SERIES) == fields, set(SOUND_SERIES) ^ fields
    assert set(changes) <= set(SOUND_SERIES)
    return CtSeries(**{**SOUND_SERIES, **changes})


def as_ingested(row: CtSeries, pseudonymiser: Pseudonymiser) -> CtSeries:
    """The row as the intake has it: the patient as a keyed hash, the date under the patient's shift."""
    day = date.fromisoformat(row.acquisition_date) if row.acquisition_date else None
    shifted = pseudonymiser.shifted(day, row.patient) if day else None
    return dataclasses.replace(
        row,
        patient=pseudonymiser.patient(row.patient),
        acquisition_date=shifted.isoformat() if shifted else "",
    )


def write_exams(path: Path, exams: list[dict[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, DXA_COLUMNS)
        writer.writeheader()
        writer.writerows({**SOUND_EXAM, **exam} for exam in exams)
    return path
