"""Great Expectations suites built from the declarative rules; the only place where the two meet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import great_expectations as gx
import great_expectations.expectations as gxe
from great_expectations.expectations.row_conditions import Column

from components.validate_dicom.checks import (
    Agrees,
    Average,
    HasColumns,
    HoldsOneOf,
    LacksWord,
    MixLikeLast,
    NoneOf,
    OneOf,
    OnePerGroup,
    Present,
    RowsAtLeast,
    Same,
    Unique,
    Within,
)
from components.validate_dicom.expectations import (
    ExpectDeclaredToMatchMeasured,
    ExpectMixLikeReference,
    ExpectOneValuePerGroup,
)
from components.validate_dicom.rules import BatchRule, Rule


def build_suite(name: str, batch_rules: Sequence[BatchRule], rules: Sequence[Rule]) -> gx.ExpectationSuite:
    """One suite: batch expectations first, then one expectation per rule.

    Each expectation's `meta` names its place in the list, its code and basis; its description the rule and its
    clinical reason in words.
    """
    expectations = [
        *(_batch_expectation(rule, index) for index, rule in enumerate(batch_rules)),
        *(_row_expectation(rule, index) for index, rule in enumerate(rules)),
    ]
    return gx.ExpectationSuite(name=name, expectations=expectations)


def _batch_expectation(rule: BatchRule, index: int) -> Any:
    common = {"severity": rule.severity.value, "description": rule.words(), "meta": {"batch_rule": index}}
    match rule.check:
        case HasColumns(names):
            return gxe.ExpectTableColumnsToMatchSet(column_set=list(names), exact_match=False, **common)
        case MixLikeLast(column, reference, distance_max, p_min):
            return ExpectMixLikeReference(
                column=column, reference=dict(reference), distance_max=distance_max, p_min=p_min, **common
            )
        case Average(column, statistic, low, high):
            kind = {"mean": gxe.ExpectColumnMeanToBeBetween, "median": gxe.ExpectColumnMedianToBeBetween}[
                statistic
            ]
            return kind(column=column, min_value=low, max_value=high, **common)
        case RowsAtLeast(rows, ""):
            return gxe.ExpectTableRowCountToBeBetween(min_value=rows, **common)
        case RowsAtLeast(rows, column, value):
            return gxe.ExpectTableRowCountToBeBetween(
                min_value=rows, row_condition=Column(column) == value, **common
            )


def _row_expectation(rule: Rule, index: int) -> Any:
    common: dict[str, Any] = {
        "severity": rule.severity.value,
        "description": rule.words(),
        "meta": {"rule": index, "code": rule.code.value, "basis": rule.basis.value, "reason": rule.reason},
    }
    if rule.unless is not None:
        common["row_condition"] = Column(rule.unless.column).is_not_in(rule.unless.values)
    match rule.check:
        case Present(column):
            return gxe.ExpectColumnValuesToNotBeNull(column=column, **common)
        case Within(column, low, high):
            return gxe.ExpectColumnValuesToBeBetween(column=column, min_value=low, max_value=high, **common)
        case OneOf(column, values):
            return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=list(values), **common)
        case NoneOf(column, values):
            return gxe.ExpectColumnValuesToNotBeInSet(column=column, value_set=list(values), **common)
        case HoldsOneOf(column):
            return gxe.ExpectColumnValuesToMatchRegex(column=column, regex=rule.check.pattern, **common)
        case LacksWord(column):
            return gxe.ExpectColumnValuesToNotMatchRegex(column=column, regex=rule.check.pattern, **common)
        case Agrees(declared, measured, tolerance):
            return ExpectDeclaredToMatchMeasured(
                column_A=declared, column_B=measured, tolerance=tolerance, **common
            )
        case Same(first, second):
            return gxe.ExpectColumnPairValuesToBeEqual(
                column_A=first, column_B=second, ignore_row_if="either_value_is_missing", **common
            )
        case OnePerGroup(group, value):
            return ExpectOneValuePerGroup(column_A=group, column_B=value, **common)
        case Unique((column,)):
            return gxe.ExpectColumnValuesToBeUnique(column=column, **common)
        case Unique(key):
            return gxe.ExpectCompoundColumnsToBeUnique(
                column_list=list(key), ignore_row_if="any_value_is_missing", **common
            )
