"""Area under the ROC curve with DeLong's interval, and what to do where that interval fails."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm, rankdata

from models.evaluation.metric import Metric, undefined

# DeLong's variance comes from the spread inside each class: with few patients in one it is far too small, and
# with perfect separation it is zero, which would let three lucky patients pass any lower bound.
DELONG_MINIMUM_PER_CLASS = 10


def auc(positive: NDArray[np.bool_], score: NDArray[np.float64], confidence: float = 0.95) -> Metric:
    """AUC of (n,) scores, high meaning positive, with an interval.

    DeLong's interval where both classes have at least ten and are not perfectly separated; otherwise
    Newcombe's score-type interval (Stat Med 2006;25:559-573, method 5), which does not collapse.
    """
    n, positives = len(score), int(positive.sum())
    if positives == 0 or positives == n:
        which = "no patient has" if positives == 0 else "every patient has"
        return undefined(f"{which} the finding: one class only", n, "DeLong", positives)
    value, variance = delong(positive, score)
    if min(positives, n - positives) < DELONG_MINIMUM_PER_CLASS or variance <= 0:
        low, high = newcombe_interval(value, positives, n - positives, confidence)
        method = "Newcombe"
    else:
        half = float(norm.ppf(0.5 + confidence / 2)) * math.sqrt(variance)
        low, high, method = max(0.0, value - half), min(1.0, value + half), "DeLong"
    return Metric(value=value, low=low, high=high, n=n, positives=positives, method=method)


def plain_auc(positive: NDArray[np.bool_], score: NDArray[np.float64]) -> float | None:
    """AUC as the Mann-Whitney statistic, ties counted half; None with one class only."""
    positives, n = int(positive.sum()), len(positive)
    if positives == 0 or positives == n:
        return None
    ranks = rankdata(score)
    wins = float(ranks[positive].sum()) - positives * (positives + 1) / 2
    return wins / (positives * (n - positives))


def delong(positive: NDArray[np.bool_], score: NDArray[np.float64]) -> tuple[float, float]:
    """AUC and its variance (DeLong, DeLong and Clarke-Pearson, Biometrics 1988) by midranks.

    The midrank form is that of Sun and Xu (IEEE Signal Process Lett 2014).
    """
    cases, controls = score[positive], score[~positive]
    m, k = len(cases), len(controls)
    ranks = rankdata(np.concatenate([cases, controls]))
    of_case = (ranks[:m] - rankdata(cases)) / k  # share of the controls that each case exceeds
    of_control = 1 - (ranks[m:] - rankdata(controls)) / m
    variance = sum(float(part.var(ddof=1)) / len(part) for part in (of_case, of_control) if len(part) > 1)
    return float(of_case.mean()), variance


def newcombe_interval(value: float, m: int, k: int, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of an AUC from `m` cases and `k` controls that stays honest at 1 and with few cases.

    Solves |theta - value| = z sqrt(V(theta)) for theta, with Hanley and McNeil's V and both class sizes in
    its numerator replaced by their mean (Newcombe 2006, method 5).
    """
    z = float(norm.ppf(0.5 + confidence / 2))
    extra = (m + k) / 2 - 1

    def distance(theta: float) -> float:
        spread = 1 + extra * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        variance = theta * (1 - theta) * spread / (m * k)
        return abs(theta - value) - z * math.sqrt(max(variance, 0.0))

    # At 0 and 1 the variance vanishes, so the value itself would be a (useless) root: stay a hair away.
    hair = 1e-9
    low = 0.0 if value <= hair else float(brentq(distance, 0.0, value - hair))
    high = 1.0 if value >= 1 - hair else float(brentq(distance, value + hair, 1.0))
    return low, high


def roc_curve(
    positive: NDArray[np.bool_], score: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(k,) 1 - specificity and (k,) sensitivity at every cut, from (0, 0) to (1, 1), for drawing."""
    cuts = np.concatenate([[np.inf], np.unique(score)[::-1]])
    called = score[None, :] >= cuts[:, None]
    return called[:, ~positive].mean(axis=1), called[:, positive].mean(axis=1)
