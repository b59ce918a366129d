"""Agreement by hand and by textbook: Bland and Altman's peak flow data, Wilson's interval."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from models.evaluation.agreement import (
    bias,
    calibration_line,
    limits_of_agreement,
    mean_absolute_error,
    root_mean_square_error,
    wilson,
)

# Bland and Altman, Lancet 1986;i:307-310: peak expiratory flow (l/min), first readings of both meters.
LARGE = np.array([494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427], float)
MINI = np.array([512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451], float)


def test_peak_flow_meters_of_bland_and_altman() -> None:
    """Published: mean difference -2.1, SD 38.8, limits -79.7 and 75.5 (2 SD) l/min; bias interval -22.0 to 17.8."""
    mean = bias(MINI, LARGE)
    assert mean.value == pytest.approx(-2.1, abs=0.05)
    assert (mean.low, mean.high) == pytest.approx((-22.0, 17.8), abs=0.1)
    low, high = limits_of_agreement(MINI, LARGE)
    assert (low.value, high.value) == pytest.approx((-2.1 - 1.96 * 38.8, -2.1 + 1.96 * 38.8), abs=0.15)
    # Published with the 3 s^2 / n approximation: -114.3 to -45.1 and 40.9 to 110.1, 2 SD; ours is close by.
    assert (low.low, low.high) == pytest.approx((-114.3, -45.1), abs=4)
    assert (high.low, high.high) == pytest.approx((40.9, 110.1), abs=4)


def test_errors_by_hand() -> None:
    truth, predicted = np.array([1.0, 1.0, 1.0]), np.array([1.1, 0.9, 1.4])
    assert mean_absolute_error(truth, predicted) == pytest.approx(0.2)
    assert root_mean_square_error(truth, predicted) == pytest.approx(math.sqrt(0.18 / 3))
    assert bias(truth, predicted).value == pytest.approx(0.4 / 3)


def test_bias_is_the_estimate_minus_dxa() -> None:
    assert bias(np.array([1.0, 2.0]), np.array([1.5, 2.4])).value == pytest.approx(0.45)


def test_calibration_line_agrees_with_scipy() -> None:
    rng = np.random.default_rng(2)
    predicted = rng.normal(0.9, 0.1, 30)
    truth = 0.1 + 0.8 * predicted + rng.normal(0, 0.05, 30)
    fit = stats.linregress(predicted, truth)
    half = stats.t.ppf(0.975, 28) * fit.stderr
    slope, intercept = calibration_line(truth, predicted)
    assert (slope.value, slope.low, slope.high) == pytest.approx(
        (fit.slope, fit.slope - half, fit.slope + half)
    )


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (10, 10), (7, 9), (1, 1), (45, 52)])
def test_wilson_agrees_with_statsmodels(hits: int, n: int) -> None:
    low, high = proportion_confint(hits, n, 0.05, "wilson")
    metric = wilson(hits, n)
    assert metric.value == hits / n
    assert (metric.low, metric.high) == pytest.approx((low, high), abs=1e-12)


def test_degenerate_cases_carry_a_reason() -> None:
    one = np.array([1.0])
    assert bias(one, one).reason
    assert all(limit.reason for limit in limits_of_agreement(one, one))
    for metric in calibration_line(np.array([1.0, 2, 3]), np.full(3, 0.7)):
        assert metric.reason == "the predictions are constant"
    assert wilson(0, 0).value is None
