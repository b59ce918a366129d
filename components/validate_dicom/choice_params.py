"""Section `validate.series_choice` of params.yaml: which CT series of a patient is measured, as ordered rules."""

from __future__ import annotations

from collections import Counter
from typing import Literal, Self

from pydantic import Field, model_validator

from models.params import Section

# What a rule may speak about, with its unit; "" for a name or for true and false.
CHOICE_COLUMNS: dict[str, str] = {
    "exam_in_time": "",  # within dxa_days_max of a DXA exam; always true at prediction, where there is no exam
    "levels_named": "",  # a DICOM SEG or a level file speaks of this very series
    "kernel_use": "",  # soft, bone, lung or unknown
    "vendor": "",
    "slice_thickness_mm": "mm",
    "slice_spacing_mm": "mm",
    "pixel_spacing_mm": "mm",
    "coverage_mm": "mm",
    "slice_count": "slices",
    "kvp": "kV",
    "days_apart": "days",  # from the CT to the nearest DXA exam
}


class _ChoiceRule(Section):
    """A rule's name in the decision table, the column it reads, and the unit its numbers are in."""

    rule: str = Field(min_length=1, max_length=40)
    column: str
    unit: str = ""

    @model_validator(mode="after")
    def _known_column_in_its_unit(self) -> Self:
        if self.column not in CHOICE_COLUMNS:
            raise ValueError(f"column {self.column!r} is not known; accepted: {', '.join(CHOICE_COLUMNS)}")
        unit = CHOICE_COLUMNS[self.column]
        if self.unit != unit:
            expected = f"unit: {unit}" if unit else "no unit"
            raise ValueError(f"column {self.column} needs {expected}, found {self.unit!r}")
        return self

    def _exactly_one_of(self, *names: str) -> str:
        given = [name for name in names if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"needs exactly one of {', '.join(names)}; found {', '.join(given) or 'none'}")
        numbers = given[0] not in ("one_of", "first")
        if numbers != bool(CHOICE_COLUMNS[self.column]):
            kind = "a number" if not numbers else "no number"
            raise ValueError(f"{given[0]} does not fit column {self.column}, which holds {kind}")
        return given[0]


class Exclusion(_ChoiceRule):
    """A series that must not be measured even where it is the only one.

    Attributes
    ----------
    one_of
        Names (or true, false) that exclude.
    above, below
        A number beyond which a series is excluded, in `unit`; a missing number excludes nothing.
    because
        The clinical reason, for the finding.
    """

    one_of: tuple[bool | str, ...] | None = Field(default=None, min_length=1)
    above: float | None = None
    below: float | None = None
    because: str = Field(min_length=1)

    @model_validator(mode="after")
    def _one_condition(self) -> Self:
        self._exactly_one_of("one_of", "above", "below")
        return self


class Preference(_ChoiceRule):
    """What goes before what; series that are equal by it are left to the next rule.

    Attributes
    ----------
    first
        Names (or true, false) in order; a name that is not listed comes last.
    want
        The lowest or the highest number.
    nearest
        The number nearest to this one.
    within
        Numbers inside these ends before those outside.

    A missing value comes last.
    """

    first: tuple[bool | str, ...] | None = Field(default=None, min_length=1)
    want: Literal["lowest", "highest"] | None = None
    nearest: float | None = None
    within: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _one_condition(self) -> Self:
        self._exactly_one_of("first", "want", "nearest", "within")
        if self.within is not None and self.within[0] >= self.within[1]:
            raise ValueError(f"within: {self.within[0]:g} must be below {self.within[1]:g}")
        return self


class SeriesChoiceParams(Section):
    """Rules from top to bottom; where none tells two series apart, the keyed hash of the series does."""

    exclude: tuple[Exclusion, ...]
    prefer: tuple[Preference, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _each_name_once(self) -> Self:
        names = Counter(rule.rule for rule in (*self.exclude, *self.prefer))
        repeated = [name for name, count in names.items() if count > 1]
        if repeated:
            raise ValueError(
                f"series_choice: rule {', '.join(repeated)} stands twice; accepted: each name once"
            )
        return self
