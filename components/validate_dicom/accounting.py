"""Counts that add up: every file, series and exam ends in exactly one place, or the run stops."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pandas as pd

from components.validate_dicom.tables import QuarantineRow
from models.errors import OsteoGateError


class CountsDoNotAddUpError(OsteoGateError):
    """A file, series or exam is in no place or in two: an error of ours, never of the data."""


@dataclass(frozen=True)
class Account:
    """Where everything went.

    Attributes
    ----------
    counts
        By name; for each of files, series and exams the parts sum to `<name>_read`.
    codes
        How often each code was given, most frequent first (one row may have several).
    """

    counts: dict[str, int]
    codes: dict[str, int]


def account(
    series: pd.DataFrame,
    other_file_count: int,
    file_count: int,
    exams: pd.DataFrame,
    accepted: pd.DataFrame,
    quarantine: list[QuarantineRow],
) -> Account:
    """Count, and check that nothing is lost or counted twice.

    Parameters
    ----------
    series
        All series of the intake, `series` and `file_count`.
    other_file_count, file_count
        Coded other objects of the intake, and all files it read.
    exams
        All rows of the DXA table, `row`.
    accepted
        Accepted pairs with `series` and `row`.

    Raises
    ------
    CountsDoNotAddUpError
        Naming the first sum that is wrong.
    """
    kept_series = set(accepted["series"])
    held_series = {row.series for row in quarantine if row.series}
    kept_exams = {int(row) for row in accepted["row"]}
    held_exams = {row.dxa_row for row in quarantine if row.dxa_row}
    _must_part(set(series["series"]), kept_series, held_series, "series")
    _must_part({int(row) for row in exams["row"]}, kept_exams, held_exams, "DXA exams")
    in_kept = series["series"].isin(kept_series)
    counts = {
        "files_read": file_count,
        "files_in_accepted_series": int(series.loc[in_kept, "file_count"].sum()),
        "files_in_quarantined_series": int(series.loc[~in_kept, "file_count"].sum()),
        "files_other": other_file_count,
        "series_read": len(series),
        "series_accepted": len(kept_series),
        "series_quarantined": len(held_series),
        "exams_read": len(exams),
        "exams_accepted": len(kept_exams),
        "exams_quarantined": len(held_exams),
        "patients_accepted": accepted["patient"].nunique(),
    }
    parts = ("files_in_accepted_series", "files_in_quarantined_series", "files_other")
    if sum(counts[part] for part in parts) != file_count:
        sums = " + ".join(f"{counts[part]} {part}" for part in parts)
        raise CountsDoNotAddUpError(f"files: {sums} is not {file_count} files_read")
    codes = Counter(str(row.code) for row in quarantine)
    return Account(counts, dict(sorted(codes.items(), key=lambda item: (-item[1], item[0]))))


def _must_part(everything: set[Any], kept: set[Any], held: set[Any], name: str) -> None:
    lost, twice, foreign = everything - kept - held, kept & held, (kept | held) - everything
    if lost or twice or foreign:
        raise CountsDoNotAddUpError(
            f"{name}: {len(lost)} in no place, {len(twice)} in two places, {len(foreign)} from nowhere"
        )
