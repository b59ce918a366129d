"""The vocabulary of rules: one declarative list feeds the Great Expectations suites and the single-study check.

A null is no finding except to `Present`: a rule about a value says nothing about rows that lack it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pandas as pd

from models.refusal import MEANINGS, Basis, Code


class Severity(StrEnum):
    """Critical findings quarantine the row; warnings are shown and counted."""

    CRITICAL = "critical"
    WARNING = "warning"


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


@dataclass(frozen=True)
class Unless:
    """Leaves out the rows whose column holds one of these values."""

    column: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Rule:
    """One expectation of a row.

    Attributes
    ----------
    code
        What a failing row is refused with.
    check
        What is expected.
    reason
        Why, clinically, in words for the report.
    severity
        See `Severity`.
    unless
        Rows that the rule does not speak about.
    optional
        Correct DICOM may leave the column out; its absence is then not worth a 'not checked'.
    basis_column
        Column that says row by row what the verdict rests on, where that differs from the code's own basis.
    study
        Also holds for one study at prediction; False for what only a training table needs.
    """

    code: Code
    check: RowCheck
    reason: str
    severity: Severity = Severity.CRITICAL
    unless: Unless | None = None
    optional: bool = False
    basis_column: str = ""
    study: bool = True

    @property
    def basis(self) -> Basis:
        """What the verdict rests on as a rule."""
        return MEANINGS[self.code].basis

    def basis_of(self, row: pd.Series) -> Basis:
        """What the verdict on this row rests on."""
        stated = row[self.basis_column] if self.basis_column else None
        return Basis(stated) if stated in set(Basis) else self.basis

    def failing(self, frame: pd.DataFrame) -> pd.Series:
        """Boolean mask over the rows of `frame`: True where the rule is broken."""
        failed = ~self.check.passes(frame).astype(bool)
        if self.unless is not None:
            failed &= ~frame[self.unless.column].isin(self.unless.values)
        return failed

    def words(self) -> str:
        """The rule in one line: code, what is expected, why, and what to do otherwise."""
        columns = " and ".join(self.check.columns).replace("_state", "")
        besides = f", unless {self.unless.column} is {' or '.join(self.unless.values)}" if self.unless else ""
        return (
            f"{self.code} ({self.severity}): {columns}: {self.check.accepted()}{besides}. {self.reason} "
            f"Otherwise: {MEANINGS[self.code].action}."
        )

    def found(self, row: pd.Series) -> str:
        """What a failing row holds and what would be accepted, in one line."""
        values = ", ".join(f"{column} {_shown(row[column])}" for column in self.check.columns)
        return f"{values}; accepted: {self.check.accepted()}"


@dataclass(frozen=True)
class BatchRule:
    """One expectation of the whole table."""

    check: BatchCheck
    reason: str
    severity: Severity = Severity.CRITICAL

    def words(self) -> str:
        """The rule in one line."""
        if isinstance(self.check, HasColumns):
            return f"({self.severity}) columns: {', '.join(self.check.names)}. {self.reason}"
        whose = f" with {self.check.column} {self.check.value}" if self.check.column else ""
        return f"({self.severity}) at least {self.check.rows} rows{whose}. {self.reason}"


def _shown(value: Any) -> str:
    if value is None or (not isinstance(value, str) and pd.isna(value)) or value == "":
        return "missing"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)
