"""The vocabulary of rules: one declarative list feeds the Great Expectations suites and the single-study check.

The checks that a rule may hold are in `checks`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pandas as pd

from components.validate_dicom.checks import Average, BatchCheck, HasColumns, MixLikeLast, RowCheck
from models.refusal import MEANINGS, Basis, Code


class Severity(StrEnum):
    """Critical findings quarantine the row; warnings are shown and counted."""

    CRITICAL = "critical"
    WARNING = "warning"


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
        if isinstance(self.check, MixLikeLast | Average):
            return f"({self.severity}) {self.check.column}: {self.check.accepted()}. {self.reason}"
        whose = f" with {self.check.column} {self.check.value}" if self.check.column else ""
        return f"({self.severity}) at least {self.check.rows} rows{whose}. {self.reason}"


def _shown(value: Any) -> str:
    if value is None or (not isinstance(value, str) and pd.isna(value)) or value == "":
        return "missing"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)
