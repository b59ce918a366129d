"""The series table as the rules read it: absent text as null, and the columns that are derived from others."""

from __future__ import annotations

from dataclasses import fields

import pandas as pd

from components.ingest_dicom.series import CtSeries
from components.validate_dicom.series_rules import ANSWERED_BY_EMPTY_TEXT, READER_CODES

DERIVED_COLUMNS: tuple[str, ...] = ("coverage_mm", "read_codes_other", "darker_than_water")
# a field of view of a spine this wide holds fat; a crop of one vertebra may hold bone and muscle alone
FIELD_WITH_FAT_MM = 150.0
SERIES_COLUMNS: tuple[str, ...] = tuple(field.name for field in fields(CtSeries))


def rule_frame(series: pd.DataFrame, *, declared: bool = True) -> pd.DataFrame:
    """Series table rows with absences as null, and `DERIVED_COLUMNS` added.

    Parameters
    ----------
    series
        Columns of `CtSeries`; text that is missing is "", a number that is missing NaN.
    declared
        False for sources that cannot declare (NIfTI): no text at all then also means 'not looked for'.
    """
    frame = series.copy()
    frame["read_codes_other"] = frame["read_codes"].map(_other_codes)
    for column in frame.columns:
        is_text = frame[column].map(lambda value: isinstance(value, str)).any()
        if is_text and not (declared and column in ANSWERED_BY_EMPTY_TEXT):
            texts = frame[column].astype(object)
            frame[column] = texts.where(texts.ne("") & texts.notna(), None)
    spacing = pd.to_numeric(frame["slice_spacing_mm"])
    frame["coverage_mm"] = spacing * (pd.to_numeric(frame["slice_count"]) - 1)
    low, high = pd.to_numeric(frame["hu_p01"]), pd.to_numeric(frame["hu_p99"])
    side = pd.to_numeric(frame["pixel_spacing_mm"]) * frame[["rows", "columns"]].min(axis=1)
    grey = (low >= 0) & (high > low)  # a picture; an image of one single value is no picture of anything
    told = low.notna() & high.notna() & ((side >= FIELD_WITH_FAT_MM) | side.isna())
    frame["darker_than_water"] = (~grey).astype(object).where(told, None)
    return frame


def _other_codes(read_codes: object) -> str | None:
    if not isinstance(read_codes, str):
        return None
    return " ".join(code for code in read_codes.split() if code not in READER_CODES)
