"""A sound intake in a few lines, to be broken one value at a time."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.ingest_dicom.pseudonym import Pseudonymiser
from components.ingest_dicom.series import CtSeries
from components.ingest_dicom.series_table import OtherRow, write_others_table, write_series_table
from components.validate_dicom.dxa_table import DXA_COLUMNS
from components.validate_dicom.params import ValidateParams
from models.params import load_section

ROOT = Path(__file__).resolve().parents[3]
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
    "hu_soft_tissue_peak": 45.0, "hu_p01": -120.0, "hu_p05": -100.0, "hu_p50": 30.0, "hu_p95": 180.0,
    "hu_p99": 400.0, "has_levels": True, "series_uid_missing": False,
}  # fmt: skip

SOUND_EXAM: dict[str, str] = {
    "patient_id": "ID1", "exam_date": "2024-05-01", "device": "Hologic Horizon A", "sex": "F", "age_years": "63",
    "height_cm": "160", "weight_kg": "64", "bmd_l1_g_cm2": "0.9", "bmd_l2_g_cm2": "0.95", "bmd_l3_g_cm2": "1.0",
    "bmd_l4_g_cm2": "1.0", "bmd_l1_l4_g_cm2": "0.965", "tbs_l1": "1.2", "tbs_l2": "1.25", "tbs_l3": "1.3",
    "tbs_l4": "1.3", "tbs_l1_l4": "1.26", "invalid_l1": "0", "invalid_l2": "0", "invalid_l3": "0",
    "invalid_l4": "0",
}  # fmt: skip


@pytest.fixture(scope="session")
def params() -> ValidateParams:
    return load_section(ROOT / "params.yaml", "validate", ValidateParams)


def series_row(**changes: Any) -> CtSeries:
    fields = {field.name for field in dataclasses.fields(CtSeries)}
    assert set(SOUND_SERIES) == fields, set(SOUND_SERIES) ^ fields
    assert set(changes) <= set(SOUND_SERIES)
    return CtSeries(**{**SOUND_SERIES, **changes})


def write_exams(path: Path, exams: list[dict[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, DXA_COLUMNS)
        writer.writeheader()
        writer.writerows({**SOUND_EXAM, **exam} for exam in exams)
    return path


@pytest.fixture
def make_intake(tmp_path: Path) -> Callable[..., Path]:
    """Write an intake of series (changes to the sound one; `patient` is a PatientID) and other files."""

    def make(series: list[dict[str, Any]], others: list[OtherRow] | None = None) -> Path:
        pseudonymiser = Pseudonymiser(KEY)
        rows = []
        for number, changes in enumerate(series, start=1):
            identity = {"series": f"s{number}", "patient": f"ID{number}", **changes}
            rows.append(series_row(**{**identity, "patient": pseudonymiser.patient(identity["patient"])}))
        folder = tmp_path / "intake"
        folder.mkdir()
        write_series_table(rows, folder / "series.parquet")
        write_others_table(others or [], folder / "others.parquet")
        file_count = sum(row.file_count for row in rows) + len(others or [])
        (folder / "manifest.json").write_text(json.dumps({"file_count": file_count}), encoding="utf-8")
        return folder

    return make


@pytest.fixture
def make_dxa(tmp_path: Path) -> Callable[[list[dict[str, str]]], Path]:
    return lambda exams: write_exams(tmp_path / "dxa.csv", exams)


NAN = math.nan
