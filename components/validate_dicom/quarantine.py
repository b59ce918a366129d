"""Findings of the three suites, and what pairing left aside, as rows of the quarantine."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from components.validate_dicom.pairing import Pairing
from components.validate_dicom.rules import Severity
from components.validate_dicom.tables import QuarantineRow
from components.validate_dicom.validation import Finding
from models.refusal import MEANINGS, Code

# [no partner at all, partner read but in quarantine]
_ABSENT = {
    Code.CT_MISSING: ("no CT series of this patient was read", "the patient's CT series are in quarantine"),
    Code.DXA_MISSING: ("the patient is not in the DXA table", "the patient's DXA exams are in quarantine"),
}


def quarantine_series(findings: Iterable[Finding], series: pd.DataFrame) -> list[QuarantineRow]:
    """Critical findings on the series table; `series` has columns series and patient."""
    patients = _texts(series, "series", "patient")
    return [
        QuarantineRow("series", one.key, patients[one.key], one.key, 0, one.code, one.basis, one.found)
        for one in _critical(findings)
    ]


def quarantine_exams(findings: Iterable[Finding], exams: pd.DataFrame) -> list[QuarantineRow]:
    """Critical findings on the DXA table, each with row number and column."""
    patients = _texts(exams, "row", "patient")
    return [
        QuarantineRow(
            "dxa", f"row {one.key}", patients[one.key], "", int(one.key), one.code, one.basis,
            f"row {one.key}, {_plain(one.found)}",
        )
        for one in _critical(findings)
    ]  # fmt: skip


def quarantine_pairs(
    findings: Iterable[Finding], pairs: pd.DataFrame, series: pd.DataFrame, exams: pd.DataFrame
) -> list[QuarantineRow]:
    """Critical findings on the pairing table: series and exam of the patient are held back together.

    Parameters
    ----------
    series, exams
        All that was read: a partner may be missing because it is in quarantine itself.
    """
    by_patient = pairs.set_index("patient")
    read = {Code.CT_MISSING: set(series["patient"]), Code.DXA_MISSING: set(exams["patient"])}
    rows: list[QuarantineRow] = []
    for one in _critical(findings):
        pair = by_patient.loc[one.key]
        of_pair: str = "" if pd.isna(pair["series"]) else str(pair["series"])
        dxa_row: int = 0 if pd.isna(pair["row"]) else int(pair["row"])
        found = one.found
        if one.code in read:
            found = _ABSENT[one.code][one.key in read[one.code]]
        rows.append(QuarantineRow("pairing", one.key, one.key, of_pair, dxa_row, one.code, one.basis, found))
    return rows


def quarantine_left(pairing: Pairing, series: pd.DataFrame, exams: pd.DataFrame) -> list[QuarantineRow]:
    """Series and exams for which another one of the same patient was chosen, and series that a rule excludes."""
    series_patients, exam_patients = _texts(series, "series", "patient"), _texts(exams, "row", "patient")
    left = [
        QuarantineRow(
            "series", name, series_patients[name], name, 0, Code.SERIES_NOT_CHOSEN,
            MEANINGS[Code.SERIES_NOT_CHOSEN].basis,
            f"series {chosen} was chosen for this patient, by {pairing.passed_over[name]}",
        )
        for name, chosen in pairing.series_left.items()
    ]  # fmt: skip
    excluded = [
        QuarantineRow(
            "series", name, series_patients[name], name, 0, Code.SERIES_EXCLUDED,
            MEANINGS[Code.SERIES_EXCLUDED].basis, found,
        )
        for name, found in pairing.series_excluded.items()
    ]  # fmt: skip
    exams_left = [
        QuarantineRow(
            "dxa", f"row {row}", exam_patients[str(row)], "", row, Code.EXAM_NOT_CHOSEN,
            MEANINGS[Code.EXAM_NOT_CHOSEN].basis, f"row {row}: the exam of row {chosen} was chosen for this patient",
        )
        for row, chosen in pairing.exams_left.items()
    ]  # fmt: skip
    return left + excluded + exams_left


def _critical(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.severity is Severity.CRITICAL]


def _texts(frame: pd.DataFrame, key: str, column: str) -> dict[str, str]:
    return {
        str(name): "" if pd.isna(value) else str(value)
        for name, value in zip(frame[key], frame[column], strict=True)
    }


def _plain(found: str) -> str:
    # the state columns are ours; the reader of dxa.csv knows the column by its own name
    return "column " + found.replace("_state ", ": ", 1)
