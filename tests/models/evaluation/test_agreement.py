"""Agreement by hand and by textbook: Bland and Altman's peak flow data, Wilson's interval."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.stats.proportion import proportion_confint

from models.evaluation.agreement import (
    bias,
    calibration_line,
    clopper_pearson,
    limits_of_agreement,
    mean_absolute_error,
    root_mean_square_error,
    wilson,
)
from models.evaluation.measures import four_shares

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


def test_calibration_line_agrees_with_statsmodels() -> None:
    rng = np.random.default_rng(2)
    predicted = rng.normal(0.9, 0.1, 30)
    truth = 0.1 + 0.8 * predicted + rng.normal(0, 0.05, 30)
    fit = sm.OLS(truth, sm.add_constant(predicted)).fit()
    slope, intercept = calibration_line(truth, predicted)
    for ours, value, interval in zip((intercept, slope), fit.params, fit.conf_int(0.05), strict=True):
        assert (ours.value, ours.low, ours.high) == pytest.approx((value, *interval))


# Newcombe, Stat Med 1998;17:857-872, Table I: methods 3 (score) and 5 (Clopper-Pearson).
NEWCOMBE = [
    (81, 263, (0.2553, 0.3662), (0.2527, 0.3676)),
    (15, 148, (0.0624, 0.1605), (0.0578, 0.1617)),
    (0, 20, (0.0000, 0.1611), (0.0000, 0.1684)),
    (1, 29, (0.0061, 0.1718), (0.0009, 0.1776)),
]


@pytest.mark.parametrize(("hits", "n", "score", "exact"), NEWCOMBE)
def test_proportions_of_newcombes_table(
    hits: int, n: int, score: tuple[float, float], exact: tuple[float, float]
) -> None:
    for metric, published in ((wilson(hits, n), score), (clopper_pearson(hits, n), exact)):
        assert (metric.low, metric.high) == pytest.approx(published, abs=6e-5)


def test_liver_scans_of_altman_and_bland() -> None:
    """BMJ 1994;308:1552 and 309:102: 258 with disease, 231 called; 86 without, 54 not called."""
    positive = np.arange(344) < 258
    called = np.r_[np.arange(258) < 231, np.arange(86) >= 54]
    shares = four_shares(called, positive, 0.95)
    published = {"sensitivity": 0.90, "specificity": 0.63, "ppv": 0.88, "npv": 0.67}
    assert {part: round(float(metric.value or 0), 2) for part, metric in shares.items()} == published
    assert [shares[part].n for part in published] == [258, 86, 263, 81]


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
    for metric in calibration_line(np.full(3, 0.7), np.array([1.0, 2, 3])):
        assert metric.reason == "the reference values are constant"
    assert wilson(0, 0).value is None
