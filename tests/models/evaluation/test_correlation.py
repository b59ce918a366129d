"""Pearson r against hand calculation, the paper's own intervals, and scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from models.evaluation.correlation import fisher_interval, partial_r, pearson_r, plain_pearson_r


def test_r_by_hand() -> None:
    # x = 1..5, y = 2 4 5 4 5: Sxy = 6, Sxx = 10, Syy = 6, r = 6 / sqrt(60)
    metric = pearson_r(np.array([1.0, 2, 3, 4, 5]), np.array([2.0, 4, 5, 4, 5]))
    assert metric.value == pytest.approx(6 / math.sqrt(60))
    assert metric.n == 5


def test_intervals_quoted_for_the_paper() -> None:
    """n = 52: r 0.81 has 0.69-0.89, r 0.54 has 0.31-0.71."""
    assert fisher_interval(0.81, 52) == pytest.approx((0.69, 0.89), abs=0.005)
    assert fisher_interval(0.54, 52) == pytest.approx((0.31, 0.71), abs=0.005)


def test_agrees_with_scipy() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=40)
    y = 0.5 * x + rng.normal(size=40)
    theirs = stats.pearsonr(x, y)
    low, high = theirs.confidence_interval(0.9)
    ours = pearson_r(x, y, 0.9)
    assert (ours.value, ours.low, ours.high) == pytest.approx((theirs.statistic, low, high))


@pytest.mark.parametrize("value", [0.0, 0.93, 1e-12, -4.1])
def test_a_constant_prediction_has_no_r_but_a_reason(value: float) -> None:
    metric = pearson_r(np.array([0.8, 0.9, 1.0, 1.1, 1.2]), np.full(5, value))
    assert metric.value is None
    assert metric.low is None
    assert metric.reason == "the predictions are constant"


def test_float_rounding_is_not_spread() -> None:
    truth = np.array([0.8, 0.9, 1.0, 1.1, 1.2])
    assert pearson_r(truth, 0.93 + np.array([0, 1, 0, 1, 2]) * 1e-16).value is None


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_too_few_pairs_have_no_r_but_a_reason(n: int) -> None:
    metric = pearson_r(np.arange(n, dtype=float), np.arange(n, dtype=float))
    assert metric.value is None
    assert str(metric.reason).startswith(f"{n} pairs")


def test_perfect_agreement_is_exactly_one() -> None:
    values = np.array([0.1, 0.4, 0.9, 1.3])
    metric = pearson_r(values, 3 * values + 1)
    assert metric.value == pytest.approx(1)
    assert plain_pearson_r(values, -values) == pytest.approx(-1)


def test_partial_r_is_the_correlation_of_residuals() -> None:
    rng = np.random.default_rng(5)
    given = rng.normal(size=60)
    truth, predicted = given + rng.normal(size=60), given + rng.normal(size=60)
    residuals = [side - np.polyval(np.polyfit(given, side, 1), given) for side in (truth, predicted)]
    metric = partial_r(truth, predicted, given)
    assert metric.value == pytest.approx(np.corrcoef(*residuals)[0, 1])
    assert (metric.low, metric.high) == pytest.approx(fisher_interval(float(metric.value or 0), 59))


def test_partial_r_of_a_prediction_that_is_the_covariate_is_not_defined() -> None:
    given = np.array([1.0, 2, 3, 4, 5, 6])
    assert partial_r(np.array([1.0, 3, 2, 5, 4, 6]), 2 * given, given).value is None
