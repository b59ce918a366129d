"""Expectations that Great Expectations does not have.

A declared number agrees with the measured one; rows of one group share one value; the shares of a column's values
are those of a reference batch.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import pandas as pd
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import ColumnAggregateExpectation, ColumnPairMapExpectation
from great_expectations.expectations.metrics.column_aggregate_metric_provider import (
    ColumnAggregateMetricProvider,
    column_aggregate_value,
)
from great_expectations.expectations.metrics.map_metric_provider import (
    ColumnPairMapMetricProvider,
    column_pair_condition_partial,
)

from components.validate_dicom.checks import one_value_per_group
from components.validate_dicom.vendor_mix import compare_mix

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


_GROUP_METRIC = "column_pair_values.one_value_per_group"


class ColumnPairOneValuePerGroup(ColumnPairMapMetricProvider):
    """Row by row: the group in A has one value in B."""

    condition_metric_name = _GROUP_METRIC
    condition_domain_keys = (
        "batch_id", "table", "column_A", "column_B", "row_condition", "condition_parser", "ignore_row_if"
    )  # fmt: skip
    condition_value_keys = ()

    @column_pair_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column_A: pd.Series, column_B: pd.Series, **kwargs: Any) -> pd.Series:  # noqa: N803, N805
        return one_value_per_group(column_A, column_B)


class ExpectOneValuePerGroup(ColumnPairMapExpectation):
    """Expect rows that share a value of column_A to share one value of column_B."""

    map_metric: ClassVar[str] = _GROUP_METRIC
    domain_keys: ClassVar[tuple[str, ...]] = (
        "batch_id", "column_A", "column_B", "row_condition", "condition_parser", "ignore_row_if"
    )  # fmt: skip
    success_keys: ClassVar[tuple[str, ...]] = ("mostly",)
    args_keys: ClassVar[tuple[str, ...]] = ("column_A", "column_B")

    ignore_row_if: Literal["either_value_is_missing"] = "either_value_is_missing"


_MIX_METRIC = "column.mix_against_reference"


class ColumnMixAgainstReference(ColumnAggregateMetricProvider):
    """Total variation distance and chi-square p of a column's shares against reference counts."""

    metric_name = _MIX_METRIC
    value_keys = ("reference",)

    @column_aggregate_value(engine=PandasExecutionEngine)
    def _pandas(cls, column: pd.Series, reference: dict[str, int], **kwargs: Any) -> dict[str, Any]:  # noqa: N805
        counts = {str(name): int(count) for name, count in column.value_counts().items()}
        found = compare_mix(counts, reference)
        return {"counts": counts, "distance": found.distance, "p": found.p}


class ExpectMixLikeReference(ColumnAggregateExpectation):
    """Expect a column's shares within `distance_max` of the reference's, or no farther than chance (`p_min`)."""

    metric_dependencies = (_MIX_METRIC,)
    success_keys: ClassVar[tuple[str, ...]] = ("reference", "distance_max", "p_min")
    args_keys: ClassVar[tuple[str, ...]] = ("column", "reference", "distance_max", "p_min")

    reference: dict[str, int]
    distance_max: float
    p_min: float

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: Any = None,
    ) -> dict[str, Any]:
        found = metrics[_MIX_METRIC]
        success = found["distance"] <= self.distance_max or found["p"] >= self.p_min
        words = (
            f"total variation distance {found['distance']:.2f}, p {found['p']:.2g}, counts {found['counts']}"
        )
        return {"success": success, "result": {"observed_value": words}}
