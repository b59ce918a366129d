"""What can be expected of the rows of a table, and of a table as a whole: the checks that rules are made of.

A null is no finding except to `Present`: a check of a value says nothing about rows that lack it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd


@dataclass(frozen=True)
class Present:
    """The value is there."""

    column: str

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def passes(self, frame: pd.DataFrame) -> pd.Series:
        return frame[self.column].notna()

    def accepted(self) -> str:
        return "a value"


@dataclass(frozen=True)
class Within:
    """low <= value <= high; None leaves an end open."""

    column: str
    low: float | None = None
    high: float | None = None
    unit: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def passes(self, frame: pd.DataFrame) -> pd.Series:
        values = pd.to_numeric(frame[self.column])
        ok = pd.Series(True, index=frame.index)
        if self.low is not None:
            ok &= values >= self.low
        if self.high is not None:
            ok &= values <= self.high
        return ok | values.isna()

    def accepted(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        if self.low is None:
            return f"at most {self.high:g}{unit}"
        if self.high is None:
            return f"at least {self.low:g}{unit}"
        return f"{self.low:g} to {self.high:g}{unit}"


@dataclass(frozen=True)
class OneOf:
    """The value is one of these."""

    column: str
    values: tuple[Any, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def passes(self, frame: pd.DataFrame) -> pd.Series:
        return frame[self.column].isin(self.values) | frame[self.column].isna()

    def accepted(self) -> str:
        return " or ".join("nothing" if value == "" else str(value) for value in self.values)


@dataclass(frozen=True)
class NoneOf:
    """The value is none of these; `instead` says in words what is accepted."""

    column: str
    values: tuple[Any, ...]
    instead: str

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def passes(self, frame: pd.DataFrame) -> pd.Series:
        return ~frame[self.column].isin(self.values)

    def accepted(self) -> str:
        return self.instead


@dataclass(frozen=True)
class LacksWord:
    """A blank-separated list of words does not hold this one."""

    column: str
    word: str

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def pattern(self) -> str:
        """The regular expression that must not match."""
        return rf"\b{self.word}\b"

    def passes(self, frame: pd.DataFrame) -> pd.Series:
        texts = frame[self.column]
        return texts.isna() | ~texts.fillna("").astype(str).str.contains(self.pattern, regex=True)

    def accepted(self) -> str:
        return f"a series that reads without {self.word}"


@dataclass(frozen=True)
class HoldsOneOf:
    """The text holds one of these names as a word of its own, in any case."""

    column: str
    names: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def pattern(self) -> str:
        """The regular expression that must match."""
        return rf"(?i)\b(?:{'|'.join(re.escape(name) for name in self.names)})\b"

    def passes(self, frame: pd.DataFrame) -> pd.Series:
        texts = frame[self.column]
        return texts.isna() | texts.fillna("").astype(str).str.contains(self.pattern, regex=True)

    def accepted(self) -> str:
        return "one of " + ", ".join(self.names)


@dataclass(frozen=True)
class Agrees:
    """A declared number differs from the measured one by no more than a tolerance."""

    declared: str
    measured: str
    tolerance: float
    unit: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.declared, self.measured)

    def passes(self, frame: pd.DataFrame) -> pd.Series:
        difference = (pd.to_numeric(frame[self.declared]) - pd.to_numeric(frame[self.measured])).abs()
        return (difference <= self.tolerance) | difference.isna()

    def accepted(self) -> str:
        return f"a difference of at most {self.tolerance:g} {self.unit}".rstrip()


@dataclass(frozen=True)
class Same:
    """Two columns say the same."""

    first: str
    second: str

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.first, self.second)

    def passes(self, frame: pd.DataFrame) -> pd.Series:
        first, second = frame[self.first], frame[self.second]
        return (first == second) | first.isna() | second.isna()

    def accepted(self) -> str:
        return "the same in both"


@dataclass(frozen=True)
class Unique:
    """No two rows share these values; rows that lack one of them are left alone."""

    key: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return self.key

    def passes(self, frame: pd.DataFrame) -> pd.Series:
        keys = frame[list(self.key)]
        return ~keys.duplicated(keep=False) | keys.isna().any(axis=1)

    def accepted(self) -> str:
        return "one row each"


@dataclass(frozen=True)
class OnePerGroup:
    """Rows that share `group` share `value` too; rows that lack one of them are left alone."""

    group: str
    value: str

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.group, self.value)

    def passes(self, frame: pd.DataFrame) -> pd.Series:
        return one_value_per_group(frame[self.group], frame[self.value])

    def accepted(self) -> str:
        return f"one {self.value} to a {self.group}"


def one_value_per_group(groups: pd.Series, values: pd.Series) -> pd.Series:
    """True for rows whose group has at most one distinct value (absences apart)."""
    known = groups.notna() & values.notna()
    distinct = values.where(known).groupby(groups.where(known)).transform("nunique")
    return ~(distinct.fillna(0) > 1)


RowCheck = Present | Within | OneOf | NoneOf | LacksWord | HoldsOneOf | Agrees | Same | Unique | OnePerGroup


@dataclass(frozen=True)
class RowsAtLeast:
    """The table holds enough rows, of one value of a column if one is named (an empty table passes all else)."""

    rows: int
    column: str = ""
    value: str = ""


@dataclass(frozen=True)
class HasColumns:
    """The table has these columns."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class MixLikeLast:
    """The shares of a column's values are those of the last accepted batch, as far as chance and a limit go.

    Attributes
    ----------
    reference
        Value and its number of rows in the last accepted batch.
    distance_max
        Total variation distance (half the sum of |differences of shares|, 0 to 1) that is accepted whatever n.
    p_min
        A larger distance is still accepted where chance would give one as large this often (chi-square test of
        the two batches' counts).
    """

    column: str
    reference: tuple[tuple[str, int], ...]
    distance_max: float
    p_min: float

    def accepted(self) -> str:
        shares = shares_in_words(dict(self.reference))
        return (
            f"shares as in the last accepted batch ({shares}): total variation distance at most "
            f"{self.distance_max:g}, or p of a chi-square test at least {self.p_min:g}"
        )


@dataclass(frozen=True)
class Average:
    """The mean or median of a column lies between two ends; None leaves an end open."""

    column: str
    statistic: Literal["mean", "median"]
    low: float | None = None
    high: float | None = None
    unit: str = ""

    def accepted(self) -> str:
        return f"{self.statistic} of {self.column} {Within(self.column, self.low, self.high, self.unit).accepted()}"


def shares_in_words(counts: dict[str, int]) -> str:
    """Such as "GE 60 %, Siemens 40 %"."""
    total = max(sum(counts.values()), 1)
    return ", ".join(
        f"{name} {count / total:.0%}".replace("%", " %") for name, count in sorted(counts.items())
    )


BatchCheck = RowsAtLeast | HasColumns | MixLikeLast | Average
