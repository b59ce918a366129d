"""One study at prediction time: the rules of the training suite, without Great Expectations' start-up."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from components.validate_dicom.checks import Present
from components.validate_dicom.params import ValidateParams
from components.validate_dicom.rules import Rule, Severity
from components.validate_dicom.series_frame import DERIVED_COLUMNS, rule_frame
from components.validate_dicom.series_rules import series_rules
from models.errors import InputError
from models.refusal import Basis, Code, Refusal


class SeriesFrameError(InputError):
    """The frame handed over is not one row of the series table."""


class SeriesVerdict(NamedTuple):
    """Refusals, and the codes that could not be checked because the source does not say."""

    refusals: list[Refusal]
    not_checked: list[Code]


def check_series(series: pd.DataFrame, params: ValidateParams, *, declared: bool = True) -> SeriesVerdict:
    """Judge one series by the rules that training data are judged by.

    Parameters
    ----------
    series
        One row with the columns of `CtSeries`; None or NaN where the source has no such field.
    declared
        True for DICOM. False for a source that cannot declare (NIfTI): what is absent is then listed as
        not checked instead of being refused.

    Returns
    -------
    SeriesVerdict
        `(refusals, not_checked)`, each code once, in the order of the rules.

    Raises
    ------
    SeriesFrameError
        When `series` has not exactly one row, or lacks a column.
    """
    frame = _one_row(series, params, declared)
    row = frame.iloc[0]
    refusals: dict[Code, Refusal] = {}
    not_checked: list[Code] = []
    for rule in _study_rules(params, Severity.CRITICAL):
        absent = any(pd.isna(row[column]) for column in rule.check.columns)
        if absent and _unchecked(rule, declared) and not _left_out(rule, row):
            not_checked.append(rule.code)
        elif bool(rule.failing(frame).iloc[0]):
            refusals.setdefault(rule.code, Refusal(rule.code, rule.found(row)))
    pending = [code for code in dict.fromkeys(not_checked) if code not in refusals]
    return SeriesVerdict(
        list(refusals.values()), [code for code in pending if not _said_missing(code, refusals)]
    )


def outside_validated(
    series: pd.DataFrame, params: ValidateParams, *, declared: bool = True
) -> list[Refusal]:
    """Findings of warning severity: the study is answered, as outside validated input."""
    frame = _one_row(series, params, declared)
    return [
        Refusal(rule.code, rule.found(frame.iloc[0]))
        for rule in _study_rules(params, Severity.WARNING)
        if bool(rule.failing(frame).iloc[0])
    ]


def _one_row(series: pd.DataFrame, params: ValidateParams, declared: bool) -> pd.DataFrame:
    needed = {column for rule in series_rules(params) for column in rule.check.columns} - set(DERIVED_COLUMNS)
    lacking = sorted(needed - set(series.columns))
    if len(series) != 1 or lacking:
        raise SeriesFrameError(
            f"series frame: found {len(series)} rows and no column {lacking}; accepted: one row of the series table"
        )
    return rule_frame(series, declared=declared)


def _study_rules(params: ValidateParams, severity: Severity) -> list[Rule]:
    return [rule for rule in series_rules(params) if rule.study and rule.severity is severity]


def _unchecked(rule: Rule, declared: bool) -> bool:
    if not declared and not (rule.optional and rule.basis is Basis.IMAGE):  # pixels show it in any format
        return True
    return not rule.optional and not isinstance(rule.check, Present)


def _left_out(rule: Rule, row: pd.Series) -> bool:
    return rule.unless is not None and row[rule.unless.column] in rule.unless.values


def _said_missing(code: Code, refusals: dict[Code, Refusal]) -> bool:
    # a value refused as missing needs no second line that it could not be checked either
    reported = {Code.KVP_OUT_OF_RANGE: Code.KVP_MISSING, Code.VENDOR_UNVALIDATED: Code.VENDOR_UNKNOWN}
    return reported.get(code) in refusals
