"""The expectation that Great Expectations does not have: a declared number agrees with the measured one."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import pandas as pd
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import ColumnPairMapExpectation
from great_expectations.expectations.metrics.map_metric_provider import (
    ColumnPairMapMetricProvider,
    column_pair_condition_partial,
)

_METRIC = "column_pair_values.agree_within_tolerance"


class ColumnPairValuesAgree(ColumnPairMapMetricProvider):
    """Row by row: |A - B| <= tolerance."""

    condition_metric_name = _METRIC
    condition_domain_keys = (
        "batch_id", "table", "column_A", "column_B", "row_condition", "condition_parser", "ignore_row_if"
    )  # fmt: skip
    condition_value_keys = ("tolerance",)

    @column_pair_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column_A: pd.Series, column_B: pd.Series, **kwargs: Any) -> pd.Series:  # noqa: N803, N805
        return (column_A - column_B).abs() <= kwargs["tolerance"]


class ExpectDeclaredToMatchMeasured(ColumnPairMapExpectation):
    """Expect the declared value (column_A) to lie within `tolerance` of the measured one (column_B)."""

    map_metric: ClassVar[str] = _METRIC
    domain_keys: ClassVar[tuple[str, ...]] = (
        "batch_id", "column_A", "column_B", "row_condition", "condition_parser", "ignore_row_if"
    )  # fmt: skip
    success_keys: ClassVar[tuple[str, ...]] = ("mostly", "tolerance")
    args_keys: ClassVar[tuple[str, ...]] = ("column_A", "column_B", "tolerance")

    tolerance: float
    ignore_row_if: Literal["either_value_is_missing"] = "either_value_is_missing"
