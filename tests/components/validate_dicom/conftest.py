"""Fixtures of validation: the parameters in force, and an intake written from a few changes to a sound one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.ingest_dicom.pseudonym import Pseudonymiser
from components.ingest_dicom.series_table import OtherRow, write_others_table, write_series_table
from components.validate_dicom.params import ValidateParams
from models.params import load_section
from tests.components.validate_dicom.sound_intake import KEY, as_ingested, series_row, write_exams

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def params() -> ValidateParams:
    return load_section(ROOT / "params.yaml", "validate", ValidateParams)


@pytest.fixture
def make_intake(tmp_path: Path) -> Callable[..., Path]:
    """Write an intake of series (changes to the sound one; `patient` is a PatientID) and other files."""

    def make(series: list[dict[str, Any]], others: list[OtherRow] | None = None) -> Path:
        pseudonymiser = Pseudonymiser(KEY)
        rows = []
        for number, changes in enumerate(series, start=1):
            identity = {"series": f"s{number}", "patient": f"ID{number}", **changes}
            identity.setdefault("study", f"study of {identity['patient']}")
            rows.append(as_ingested(series_row(**identity), pseudonymiser))
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
