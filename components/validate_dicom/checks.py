"""What can be expected of the rows of a table, and of a table as a whole: the checks that rules are made of.

A null is no finding except to `Present`: a check of a value says nothing about rows that lack it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

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


RowCheck = Present | Within | OneOf | NoneOf | LacksWord | HoldsOneOf | Agrees | Same | Unique


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


BatchCheck = RowsAtLeast | HasColumns
