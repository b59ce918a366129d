"""AUC by hand, against DeLong's definition and sklearn; intervals that do not collapse."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from models.evaluation.roc import auc, delong, newcombe_interval, plain_auc, roc_curve


def test_delong_by_hand() -> None:
    """Cases 3 and 5, controls 1, 2 and 4.

    Each case beats 2/3 and 3/3 of the controls: AUC 5/6, variance between cases (1/3)^2 / 2 = 1/18, over 2.
    Each control is beaten by 2/2, 2/2 and 1/2 of the cases: mean 5/6, variance 1/12, over 3.
    """
    positive = np.array([True, True, False, False, False])
    value, variance = delong(positive, np.array([3.0, 5, 1, 2, 4]))
    assert value == pytest.approx(5 / 6)
    assert variance == pytest.approx(1 / 18 / 2 + 1 / 12 / 3)


def test_hanley_and_mcneils_ct_readings_as_stata_judges_them() -> None:
    """Hanley and McNeil, Radiology 1982;143:29-36: 109 CT images on a scale of five; area 0.893.

    Stata's manual ([R] roctab) gives for them, by DeLong: area 0.8932, standard error 0.0307, 0.83295 to 0.95339.
    """
    normal, abnormal = (33, 6, 6, 11, 2), (3, 2, 2, 11, 33)
    score = np.r_[np.repeat(np.arange(5.0), normal), np.repeat(np.arange(5.0), abnormal)]
    metric = auc(np.arange(109) >= 58, score)
    assert metric.method == "DeLong"
    assert metric.value == pytest.approx(0.8932, abs=5e-5)
    assert (metric.low, metric.high) == pytest.approx((0.83295, 0.95339), abs=2e-5)


def test_ties_count_half() -> None:
    positive = np.array([True, False, False])
    assert delong(positive, np.array([2.0, 2.0, 1.0]))[0] == pytest.approx(0.75)
    assert plain_auc(positive, np.array([2.0, 2.0, 1.0])) == pytest.approx(0.75)


def test_delong_against_its_definition_and_sklearn() -> None:
    rng = np.random.default_rng(11)
    positive = rng.random(70) < 0.4
    score = np.round(rng.normal(size=70) + positive, 1)  # with ties
    cases, controls = score[positive], score[~positive]
    wins = (cases[:, None] > controls[None]) + 0.5 * (cases[:, None] == controls[None])
    variance = wins.mean(1).var(ddof=1) / len(cases) + wins.mean(0).var(ddof=1) / len(controls)
    metric = auc(positive, score)
    assert metric.method == "DeLong"
    assert metric.value == pytest.approx(roc_auc_score(positive, score))
    assert metric.value - 1.959964 * math.sqrt(variance) == pytest.approx(metric.low, abs=1e-6)


def test_perfect_separation_is_not_certainty() -> None:
    """DeLong's interval would be 1 to 1 for three cases; Newcombe's stays honest and widens with fewer cases."""
    lows = []
    for cases in (3, 10, 40):
        positive = np.arange(cases + 40) < cases
        metric = auc(positive, positive.astype(float))
        assert (metric.value, metric.high, metric.method) == (1.0, 1.0, "Newcombe")
        lows.append(metric.low)
    assert lows[0] < 0.8 < lows[1] < lows[2] < 1


def test_newcombe_solves_its_equation() -> None:
    """By hand for AUC 0.8, 15 cases, 25 controls: |theta - 0.8| = 1.96 sqrt(V(theta)) at both ends."""
    for theta in newcombe_interval(0.8, 15, 25):
        inner = 1 + 19 * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        assert abs(theta - 0.8) == pytest.approx(1.959964 * math.sqrt(theta * (1 - theta) * inner / 375))


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_newcombe_mirrors(value: float) -> None:
    low, high = newcombe_interval(value, 4, 9)
    assert (1 - high, 1 - low) == pytest.approx(newcombe_interval(1 - value, 9, 4), abs=1e-9)
    assert low <= value <= high


def test_newcombe_covers_what_it_claims() -> None:
    """Binormal scores, AUC 0.85, 5 cases and 23 controls: about 95 % of the intervals hold it."""
    rng = np.random.default_rng(1)
    shift = 1.0364334 * math.sqrt(2)  # norm.ppf(0.85) sqrt(2)
    positive = np.arange(28) < 5
    held = 0
    for _ in range(400):
        metric = auc(positive, rng.normal(size=28) + shift * positive)
        assert metric.low is not None
        assert metric.high is not None
        held += metric.low <= 0.85 <= metric.high
    assert held / 400 >= 0.93


@pytest.mark.parametrize("positive", [[True] * 4, [False] * 4])
def test_one_class_has_no_auc_but_a_reason(positive: list[bool]) -> None:
    metric = auc(np.array(positive), np.array([1.0, 2, 3, 4]))
    assert metric.value is None
    assert "one class only" in str(metric.reason)
    assert plain_auc(np.array(positive), np.array([1.0, 2, 3, 4])) is None


def test_a_constant_score_is_chance() -> None:
    metric = auc(np.arange(40) < 20, np.ones(40))
    assert metric.value == 0.5
    assert metric.low is not None
    assert metric.low < 0.5


def test_roc_curve_runs_from_corner_to_corner() -> None:
    false_share, true_share = roc_curve(np.array([True, False, True]), np.array([3.0, 2, 1]))
    assert false_share.tolist() == [0, 0, 1, 1]
    assert true_share.tolist() == [0, 0.5, 0.5, 1]
