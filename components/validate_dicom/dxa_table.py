"""Reading dxa.csv: strict columns, each value with its state, devices by family, patients as keyed hashes.

The text of a value that is not what it should be is never carried on: a shifted column may hold a name.
"""

from __future__ import annotations

import csv
import math
import re
from datetime import date
from pathlib import Path

import pandas as pd

from components.ingest_dicom.pseudonym import Pseudonymiser
from models.bone_reference import device_family, to_hologic_g_cm2
from models.dxa_columns import BMD_COLUMNS, DXA_COLUMNS, INVALID_COLUMNS, NUMBER_COLUMNS, TBS_COLUMNS
from models.errors import InputError

# The states of a value, as they are reported.
NUMBER, EMPTY, NOT_A_NUMBER = "a number", "empty", "not a number"
NOT_EVALUABLE = "empty, level flagged invalid"
GOOD, WRONG = "good", "not accepted"

DEVICE_NAMES = {"hologic": "Hologic", "lunar": "GE Lunar"}
_OTHER_SIGNS = ((";", "semicolons"), ("\t", "tabs"), ("|", "bars"))
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class DxaTableError(InputError):
    """The DXA table cannot be read as a whole: missing, not CSV, or not the columns of the template."""


def read_dxa_table(path: Path, pseudonymiser: Pseudonymiser) -> pd.DataFrame:
    """Every exam with the state of each value.

    Returns
    -------
    One row per line of the file: `row` (1-based line of the CSV file, the header is 1), `patient` (hash or
    None), `exam_date` (ISO, shifted, or None), `dxa_device` (Hologic, GE Lunar or None), `device_family`, `sex`,
    numbers as float (NaN when absent), flags as float, and `<column>_state` for every column that can be wrong.

    Raises
    ------
    DxaTableError
        Naming the file, the columns that are missing or not expected, or the line that is ragged.
    """
    lines = _read_lines(path)
    header = lines[0][1] if lines else []
    if len(header) == 1 and (sign := next((name for mark, name in _OTHER_SIGNS if mark in header[0]), "")):
        raise DxaTableError(
            f"{path}: values are separated by {sign}; accepted: commas between values, a point before decimals"
        )
    lacking = [column for column in DXA_COLUMNS if column not in header]
    extra = [str(place + 1) for place, column in enumerate(header) if column not in DXA_COLUMNS]
    doubled = sorted({column for column in header if header.count(column) > 1 and column in DXA_COLUMNS})
    problems = []
    if lacking:
        problems.append(f"columns missing: {', '.join(lacking)}")
    if extra:
        problems.append(f"columns not expected at place {', '.join(extra)}")
    if doubled:
        problems.append(f"columns twice: {', '.join(doubled)}")
    if problems:
        raise DxaTableError(f"{path}: {'; '.join(problems)}; accepted: exactly {', '.join(DXA_COLUMNS)}")
    rows = []
    for number, cells in lines[1:]:
        if len(cells) != len(header):
            raise DxaTableError(
                f"{path}: row {number} has {len(cells)} values; accepted: {len(header)}, separated by commas"
            )
        values = dict(zip(header, (cell.strip() for cell in cells), strict=True))
        rows.append(exam_row(number, values, pseudonymiser))
    return exam_frame(rows)


def exam_frame(rows: list[dict[str, object]]) -> pd.DataFrame:
    """Rows of `exam_row` as a frame, with `<BMD column>_hologic` and `scan_values` (all BMD and TBS as one text)."""
    frame = pd.DataFrame(rows, columns=_frame_columns())
    for column in BMD_COLUMNS:
        frame[f"{column}_hologic"] = [
            to_hologic_g_cm2(float(value), str(family)) if pd.notna(family) else math.nan
            for value, family in zip(frame[column], frame["device_family"], strict=True)
        ]
    measured = frame[[*BMD_COLUMNS, *TBS_COLUMNS]].apply(pd.to_numeric)
    texts = [" ".join(f"{value:g}" for value in values) for values in measured.to_numpy(dtype=float)]
    frame["scan_values"] = pd.Series(texts, index=frame.index, dtype=object).where(
        measured.notna().all(axis=1), None
    )
    return frame


def _read_lines(path: Path) -> list[tuple[int, list[str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            return [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except OSError as error:
        raise DxaTableError(f"{path}: cannot be read ({error.strerror}); name a CSV file") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise DxaTableError(f"{path}: not a CSV table in UTF-8 ({type(error).__name__})") from error


def _frame_columns() -> list[str]:
    numbers = [name for column in NUMBER_COLUMNS for name in (column, f"{column}_state")]
    flags = [name for column in INVALID_COLUMNS for name in (column, f"{column}_state")]
    known = ["row", "patient", "exam_date", "exam_date_state", "dxa_device", "device_family", "device_state"]
    return [*known, "sex", "sex_state", *numbers, *flags]


def exam_row(number: int, values: dict[str, str], pseudonymiser: Pseudonymiser) -> dict[str, object]:
    """One exam as a row of the table that `read_dxa_table` answers, from the text of its values."""
    family = device_family(values["device"])
    exam_date = _shifted(_iso_date(values["exam_date"]), values["patient_id"], pseudonymiser)
    sex = values["sex"] if values["sex"] in ("F", "M") else None
    exam: dict[str, object] = {
        "row": number,
        "patient": pseudonymiser.patient(values["patient_id"]) or None,
        "exam_date": exam_date,
        "exam_date_state": _state(values["exam_date"], exam_date is not None),
        "dxa_device": DEVICE_NAMES[family] if family else None,
        "device_family": family,
        "device_state": _state(values["device"], family is not None),
        "sex": sex,
        "sex_state": _state(values["sex"], sex is not None),
    }
    for column in INVALID_COLUMNS:
        accepted = values[column] in ("0", "1")
        exam[column] = float(values[column]) if accepted else math.nan
        exam[f"{column}_state"] = _state(values[column], accepted)
    for column in NUMBER_COLUMNS:
        exam[column], exam[f"{column}_state"] = _number(values[column])
        level = re.fullmatch(r"(?:bmd|tbs)_(l\d)(?:_g_cm2)?", column)
        flagged = level is not None and values[f"invalid_{level.group(1)}"] == "1"
        if exam[f"{column}_state"] == EMPTY and flagged:
            exam[f"{column}_state"] = NOT_EVALUABLE
    return exam


def _state(text: str, accepted: bool) -> str:
    return EMPTY if not text else GOOD if accepted else WRONG


def _number(text: str) -> tuple[float, str]:
    if not text:
        return math.nan, EMPTY
    # float() would also take nan, inf, 1_000 and digits of other scripts
    if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text, flags=re.ASCII) is None:
        return math.nan, NOT_A_NUMBER
    value = float(text)
    return (value, NUMBER) if math.isfinite(value) else (math.nan, NOT_A_NUMBER)


def _shifted(day: str | None, patient_id: str, pseudonymiser: Pseudonymiser) -> str | None:
    """The exam's date by the days that the patient's CT is shifted by, so that days between them stay."""
    shifted = pseudonymiser.shifted(date.fromisoformat(day), patient_id) if day else None
    return shifted.isoformat() if shifted else None


def _iso_date(text: str) -> str | None:
    if _DATE.fullmatch(text) is None:
        return None
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        return None
