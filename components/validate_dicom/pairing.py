"""The pairing table: one row per patient with the chosen CT series and its nearest DXA exam."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date

import pandas as pd

from components.ingest_dicom.age import capped_age_years
from components.validate_dicom.params import ValidateParams
from components.validate_dicom.series_choice import ChoiceStep, SeriesChoice, choice_row, choose
from models.dxa_columns import BMD_COLUMNS, INVALID_COLUMNS, TBS_COLUMNS
from models.levels import LEVELS

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
    series_excluded
        Series hash -> what a rule of exclusion found.
    passed_over
        Series hash -> the rule by which another one was chosen.
    steps
        Every series before every rule of the choice.
    """

    pairs: pd.DataFrame
    series_left: dict[str, str]
    exams_left: dict[int, int]
    series_excluded: dict[str, str]
    passed_over: dict[str, str]
    steps: tuple[ChoiceStep, ...]


def pair(series: pd.DataFrame, exams: pd.DataFrame, params: ValidateParams) -> Pairing:
    """Match by patient hash; series and exams are those that passed their own rules.

    The series is chosen by `validate.series_choice` (see `series_choice`); the exam is the one nearest to that
    series, then the first in the table.
    """
    rows: list[dict[str, object]] = []
    choices: list[SeriesChoice] = []
    series_left: dict[str, str] = {}
    exams_left: dict[int, int] = {}
    series_of = {str(patient): own for patient, own in series.groupby("patient")}
    exams_of = {str(patient): own for patient, own in exams.groupby("patient")}
    for patient in sorted({*series_of, *exams_of}):
        own_series = series_of.get(patient, series.iloc[:0])
        own_exams = exams_of.get(patient, exams.iloc[:0])
        candidates = [_choice_row(scan, own_exams, params) for _, scan in own_series.iterrows()]
        choice = choose(candidates, params.series_choice)
        choices.append(choice)
        if choice.taken is not None:
            scan = own_series[own_series["series"].astype(str) == choice.taken].iloc[0]
            exam = _nearest(scan, own_exams)
            series_left.update(dict.fromkeys(choice.passed_over, choice.taken))
        elif own_exams.empty:
            continue  # every series is excluded, and there is no exam to pair
        else:
            scan, exam = None, own_exams.iloc[-1]
        if exam is not None:
            exams_left.update({int(row): int(exam["row"]) for row in own_exams["row"] if row != exam["row"]})
        rows.append(_pair_row(patient, scan, exam))
    return Pairing(
        pairs=pd.DataFrame(rows, columns=_columns()),
        series_left=series_left,
        exams_left=exams_left,
        series_excluded={name: found for choice in choices for name, found in choice.excluded.items()},
        passed_over={name: found for choice in choices for name, found in choice.passed_over.items()},
        steps=tuple(step for choice in choices for step in choice.steps),
    )


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


def _choice_row(scan: pd.Series, exams: pd.DataFrame, params: ValidateParams) -> dict[str, object]:
    exam = _nearest(scan, exams)
    days = days_between(scan["acquisition_date"], exam["exam_date"]) if exam is not None else math.nan
    return choice_row(
        {str(name): value for name, value in scan.items()},
        days_apart=days,
        days_max=params.dxa_days_max,
        levels_named=bool(scan["has_levels"]),
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
        known = pd.notna(exam["age_years"])
        row["age_years"] = capped_age_years(exam["age_years"]) if known else row.get("age_years")
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
