"""Which CT series of a patient is measured: exclusions, then preferences, each series' way through every rule.

The rules stand in params.yaml (`validate.series_choice`); training tables and a single study go through here alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from components.ingest_dicom.vendor import kernel_use
from components.validate_dicom.choice_params import CHOICE_COLUMNS, Exclusion, Preference, SeriesChoiceParams

EXCLUDE, PREFER, TIE = "exclude", "prefer", "tie"
KEPT, LEFT, NOT_ASKED = "kept", "left", "not asked"
TIE_RULE = "keyed hash of the series"  # the last rule, which always decides
ChoiceRow = dict[str, object]
_READ = ("series", "vendor", "kernel", "slice_thickness_mm", "slice_spacing_mm", "pixel_spacing_mm", "kvp")


@dataclass(frozen=True)
class ChoiceStep:
    """One series before one rule.

    Attributes
    ----------
    stage
        "exclude", "prefer" or "tie".
    value, best
        What the series has, and what the best of those still in question has (for an exclusion: what is
        accepted), in words with the unit.
    outcome
        kept, left, or not asked because the series was left before or stood alone.
    """

    series: str
    stage: str
    step: int
    rule: str
    column: str
    value: str
    best: str
    outcome: str


@dataclass(frozen=True)
class SeriesChoice:
    """The series that is measured, and why the others are not.

    Attributes
    ----------
    taken
        Hash; None where every series is excluded, or there is none.
    excluded
        Series hash -> what was found, for series that a rule of `exclude` left.
    passed_over
        Series hash -> what was found, for series that the taken one was preferred to.
    steps
        For every series one step a rule, in the order of the rules.
    """

    taken: str | None
    excluded: dict[str, str]
    passed_over: dict[str, str]
    steps: tuple[ChoiceStep, ...]


def choice_row(
    facts: Mapping[str, Any], *, days_apart: float, days_max: float | None, levels_named: bool
) -> ChoiceRow:
    """What the rules read of one series.

    Parameters
    ----------
    facts
        A row of the series table.
    days_apart
        To the nearest exam, days; NaN without one.
    days_max
        Most days between CT and exam; None at prediction, where no exam is asked for.
    """
    row: ChoiceRow = {name: facts[name] for name in _READ}
    spacing_mm, count = _number(facts["slice_spacing_mm"]), _number(facts["slice_count"])
    return row | {
        "vendor": str(facts["vendor"] or ""),
        "slice_count": count,
        "coverage_mm": spacing_mm * (count - 1),
        "kernel_use": kernel_use(*(str(facts[name] or "") for name in ("kernel_class", "vendor", "kernel"))),
        "exam_in_time": days_max is None or days_apart <= days_max,
        "levels_named": bool(levels_named),
        "days_apart": days_apart,
    }


def choose(rows: list[ChoiceRow], params: SeriesChoiceParams) -> SeriesChoice:
    """Take one of a patient's series.

    Parameters
    ----------
    rows
        From `choice_row`, in any order.
    """
    everyone = sorted(rows, key=_identity)  # the order in which they came must not matter
    remaining = everyone
    excluded: dict[str, str] = {}
    passed_over: dict[str, str] = {}
    steps: list[ChoiceStep] = []
    for number, judge in enumerate(_judges(params), start=1):
        best, staying = judge.kept_of(remaining)
        names = {str(row["series"]) for row in staying}
        asked = {str(row["series"]) for row in remaining} if judge.asks(remaining) else set()
        for row in everyone:
            name, value = str(row["series"]), _shown(row, judge.column)
            outcome = NOT_ASKED if name not in asked else KEPT if name in names else LEFT
            step = ChoiceStep(name, judge.stage, number, judge.rule, judge.column, value, best, outcome)
            steps.append(step)
            if outcome == LEFT and judge.stage == EXCLUDE:
                excluded[name] = f"{judge.column} {value}; accepted: {best} ({judge.because})"
            elif outcome == LEFT:
                passed_over[name] = f"rule '{judge.rule}': {judge.column} {value}, against {best}"
        remaining = staying
    return SeriesChoice(
        str(remaining[0]["series"]) if remaining else None, excluded, passed_over, tuple(steps)
    )


@dataclass(frozen=True)
class _Judge:
    """One rule, ready to be asked of the series that are still in question."""

    stage: str
    rule: str
    column: str
    because: str
    kept_of: Callable[[list[ChoiceRow]], tuple[str, list[ChoiceRow]]]

    def asks(self, remaining: list[ChoiceRow]) -> bool:
        """A preference has nothing to say about a series that stands alone."""
        return self.stage == EXCLUDE or len(remaining) > 1


def _judges(params: SeriesChoiceParams) -> list[_Judge]:
    return [
        *(_Judge(EXCLUDE, one.rule, one.column, one.because, _excluding(one)) for one in params.exclude),
        *(
            _Judge(PREFER, one.rule, one.column, "", _preferring(_ranking(one), one.column))
            for one in params.prefer
        ),
        _Judge(TIE, TIE_RULE, "series", "", lambda rows: ("the first in order", rows[:1])),
    ]


def _excluding(rule: Exclusion) -> Callable[[list[ChoiceRow]], tuple[str, list[ChoiceRow]]]:
    def kept_of(rows: list[ChoiceRow]) -> tuple[str, list[ChoiceRow]]:
        return _accepted(rule), [row for row in rows if not _excludes(rule, row[rule.column])]

    return kept_of


def _preferring(
    rank: Callable[[ChoiceRow], float], column: str
) -> Callable[[list[ChoiceRow]], tuple[str, list[ChoiceRow]]]:
    def kept_of(rows: list[ChoiceRow]) -> tuple[str, list[ChoiceRow]]:
        best = min(map(rank, rows), default=math.inf)
        staying = [row for row in rows if rank(row) == best]
        return (_shown(staying[0], column) if staying else ""), staying

    return kept_of


def main_series(rows: list[ChoiceRow], params: SeriesChoiceParams) -> str:
    """Of series none of which may be measured, the one that explains the study best: the longest stack of slices."""

    def rank(row: ChoiceRow) -> tuple[Any, ...]:
        return (
            -_number(row["slice_count"]),
            *(_ranking(rule)(row) for rule in params.prefer),
            _identity(row),
        )

    return str(min(rows, key=rank)["series"])


def _excludes(rule: Exclusion, value: object) -> bool:
    if rule.one_of is not None:
        return value in rule.one_of
    number = _number(value)
    if rule.above is not None:
        return number > rule.above
    return rule.below is not None and number < rule.below


def _accepted(rule: Exclusion) -> str:
    if rule.one_of is not None:
        return "not " + " or ".join(map(_word, rule.one_of))
    if rule.above is not None:
        return f"at most {rule.above:g} {rule.unit}"
    return f"at least {rule.below:g} {rule.unit}"


def _ranking(rule: Preference) -> Callable[[ChoiceRow], float]:
    """Smaller is better; what is missing ranks behind everything."""

    def rank(row: ChoiceRow) -> float:
        value = row[rule.column]
        if rule.first is not None:
            return rule.first.index(value) if value in rule.first else len(rule.first)
        number = _number(value)
        if math.isnan(number):
            return math.inf
        if rule.within is not None:
            return 0.0 if rule.within[0] <= number <= rule.within[1] else 1.0
        if rule.nearest is not None:
            return abs(number - rule.nearest)
        return number if rule.want == "lowest" else -number

    return rank


def _identity(row: ChoiceRow) -> tuple[str, ...]:
    """The hash of the series; then all else, so that even rows of one hash have one order."""
    return (str(row["series"]), *(str(row[name]) for name in CHOICE_COLUMNS))


def _number(value: Any) -> float:
    return math.nan if value is None or isinstance(value, str) or pd.isna(value) else float(value)


def _word(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _shown(row: ChoiceRow, column: str) -> str:
    unit = CHOICE_COLUMNS.get(column, "")
    if unit:
        number = _number(row[column])
        return "missing" if math.isnan(number) else f"{number:.6g} {unit}"
    return _word(row[column]) or "missing"
