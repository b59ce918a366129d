"""A two-sample chi-square test for Evidently's registry.

Evidently's own `chisquare` takes the reference proportions as exact. With a reference as small as the current
period it therefore alarms far too often (and a category absent from the reference divides by zero). This one
compares two samples, with the p-value from permutations, right at any count.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from evidently.legacy.calculations.stattests.registry import StatTest, register_stattest
from evidently.legacy.core import ColumnType

NAME = "two_sample_chisquare"
PERMUTATIONS = 50_000
SEED = 20_240_501  # a verdict must not change when it is computed again


def two_sample_chisquare(reference: pd.Series, current: pd.Series) -> float:
    """p-value of Pearson's chi-square statistic between two samples of categories.

    The null distribution holds both margins fixed (multivariate hypergeometric, as in Fisher's exact test for
    larger tables) and is sampled `PERMUTATIONS` times; the smallest p-value is 1 / (`PERMUTATIONS` + 1).

    Raises
    ------
    ValueError
        When either sample has no value.
    """
    seen_reference = reference.dropna().astype(str)
    seen_current = current.dropna().astype(str)
    if seen_reference.empty or seen_current.empty:
        raise ValueError("a sample without values cannot be compared")
    categories = sorted(set(seen_reference) | set(seen_current))
    if len(categories) == 1:
        return 1.0
    observed = seen_current.value_counts().reindex(categories, fill_value=0).to_numpy(dtype=np.int64)
    before = seen_reference.value_counts().reindex(categories, fill_value=0).to_numpy(dtype=np.int64)
    pooled = observed + before
    expected = pooled * (observed.sum() / pooled.sum())
    # both rows deviate alike, so the current row's part orders the tables as the whole statistic does
    statistic = float(((observed - expected) ** 2 / expected).sum())
    drawn = np.random.default_rng(SEED).multivariate_hypergeometric(
        pooled, int(observed.sum()), size=PERMUTATIONS, method="marginals"
    )
    under_null = ((drawn - expected) ** 2 / expected).sum(axis=1)
    extreme = int((under_null >= statistic - 1e-9).sum())
    return (extreme + 1) / (PERMUTATIONS + 1)


def _for_evidently(
    reference: pd.Series, current: pd.Series, kind: ColumnType, threshold: float
) -> tuple[float, bool]:
    p_value = two_sample_chisquare(reference, current)
    return p_value, p_value <= threshold


def register() -> str:
    """Make the test known to Evidently (again is harmless) and give its name."""
    test = StatTest(
        name=NAME,
        display_name="two-sample chi-square p_value",
        allowed_feature_types=[ColumnType.Categorical],
    )
    register_stattest(test, default_impl=_for_evidently)
    return NAME
