"""The pairing table: one row per patient with the chosen CT series and its nearest DXA exam."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date

import pandas as pd

from components.validate_dicom.params import ValidateParams
from models.dxa_columns import BMD_COLUMNS, INVALID_COLUMNS, TBS_COLUMNS
from models.levels import LEVELS

_KERNEL_ORDER = {"soft": 0, "unknown": 1, "sharp": 2}

# Columns of the CT row and the DXA row that go on into the pairing table.
_CT_COLUMNS = (
    "series", "vendor", "model", "kvp", "kernel", "kernel_class", "slice_thickness_mm", "slice_spacing_mm",
    "pixel_spacing_mm", "rows", "columns", "slice_count", "contrast_image_hu",
)  # fmt: skip
_DXA_COLUMNS = (
    "row", "exam_date", "dxa_device", "device_family", "height_cm", "weight_kg", *BMD_COLUMNS, *TBS_COLUMNS,
    *INVALID_COLUMNS,
)  # fmt: skip


@dataclass(frozen=True)
class Pairing:
    """Pairs, and what was left aside because something better was there.

    Attributes
    ----------
    pairs
        One row per patient; CT or DXA columns null where there is none.
    series_left
        Series hash -> hash of the series that was chosen instead.
    exams_left
        DXA row -> DXA row that was chosen instead.
    """

    pairs: pd.DataFrame
    series_left: dict[str, str]
    exams_left: dict[int, int]


def pair(series: pd.DataFrame, exams: pd.DataFrame, params: ValidateParams) -> Pairing:
    """Match by patient hash; series and exams are those that passed their own rules.

    The series is the one within `dxa_days_max` of an exam, then softest kernel, then thinnest slices, then
    nearest in time, then by hash; the exam is the one nearest to that series, then the first in the table.
    """
    rows: list[dict[str, object]] = []
    series_left: dict[str, str] = {}
    exams_left: dict[int, int] = {}
    series_of = {str(patient): own for patient, own in series.groupby("patient")}
    exams_of = {str(patient): own for patient, own in exams.groupby("patient")}
    for patient in sorted({*series_of, *exams_of}):
        own_series = series_of.get(patient, series.iloc[:0])
        own_exams = exams_of.get(patient, exams.iloc[:0])
        candidates = [
            (_rank(scan, own_exams, params), scan, _nearest(scan, own_exams))
            for _, scan in own_series.iterrows()
        ]
        if candidates:
            _, scan, exam = min(candidates, key=lambda candidate: candidate[0])
            others = [other["series"] for _, other, _ in candidates if other["series"] != scan["series"]]
            series_left.update({str(other): str(scan["series"]) for other in others})
        else:
            scan, exam = None, own_exams.iloc[-1]
        if exam is not None:
            exams_left.update({int(row): int(exam["row"]) for row in own_exams["row"] if row != exam["row"]})
        rows.append(_pair_row(patient, scan, exam))
    return Pairing(pd.DataFrame(rows, columns=_columns()), series_left, exams_left)


def days_between(acquisition_date: object, exam_date: object) -> float:
    """Whole days between two ISO dates; NaN when one is missing or none."""
    first, second = _date(acquisition_date), _date(exam_date)
    return math.nan if first is None or second is None else float(abs((first - second).days))


def _date(text: object) -> date | None:
    try:
        return date.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _nearest(scan: pd.Series, exams: pd.DataFrame) -> pd.Series | None:
    if exams.empty:
        return None
    days = [days_between(scan["acquisition_date"], exam_date) for exam_date in exams["exam_date"]]
    places = range(len(days))
    return exams.iloc[min(places, key=lambda place: math.inf if math.isnan(days[place]) else days[place])]


def _rank(scan: pd.Series, exams: pd.DataFrame, params: ValidateParams) -> tuple[object, ...]:
    exam = _nearest(scan, exams)
    days = days_between(scan["acquisition_date"], exam["exam_date"]) if exam is not None else math.nan
    distance = math.inf if math.isnan(days) else days
    thickness = scan["slice_thickness_mm"]
    return (
        distance > params.dxa_days_max,
        _KERNEL_ORDER.get(scan["kernel_class"], len(_KERNEL_ORDER)),
        math.inf if pd.isna(thickness) else float(thickness),
        distance,
        str(scan["series"]),
    )


def _columns() -> list[str]:
    return [
        "patient", *_CT_COLUMNS, *_DXA_COLUMNS,
        "acquisition_date", "days_apart", "sex_ct", "sex_dxa", "sex", "age_years", "bmi_kg_m2",
        "evaluable_levels",
    ]  # fmt: skip


def _pair_row(patient: str, scan: pd.Series | None, exam: pd.Series | None) -> dict[str, object]:
    row: dict[str, object] = {"patient": patient}
    if scan is not None:
        row |= {column: scan[column] for column in _CT_COLUMNS}
        row |= {"acquisition_date": scan["acquisition_date"], "sex_ct": _sex(scan["sex"])}
        row |= {"sex": _sex(scan["sex"]), "age_years": scan["age_years"]}
    if exam is not None:
        row |= {column: exam[column] for column in _DXA_COLUMNS}
        row |= {"sex_dxa": exam["sex"], "bmi_kg_m2": _bmi(exam["height_cm"], exam["weight_kg"])}
        row["evaluable_levels"] = evaluable_levels(exam)
        # the clinic's own table wins over the header where both speak
        row["sex"] = exam["sex"] if pd.notna(exam["sex"]) else row.get("sex")
        row["age_years"] = exam["age_years"] if pd.notna(exam["age_years"]) else row.get("age_years")
    if scan is not None and exam is not None:
        row["days_apart"] = days_between(scan["acquisition_date"], exam["exam_date"])
    return row


def evaluable_levels(exam: pd.Series) -> int:
    """Levels not flagged invalid, with BMD and TBS."""
    return sum(
        exam[f"invalid_{level}"] == 0
        and pd.notna(exam[f"bmd_{level}_g_cm2"])
        and pd.notna(exam[f"tbs_{level}"])
        for level in (name.lower() for name in LEVELS)
    )


def _sex(text: object) -> str | None:
    return str(text) if text in ("F", "M") else None


def _bmi(height_cm: float, weight_kg: float) -> float:
    return float(weight_kg / (height_cm / 100.0) ** 2)
