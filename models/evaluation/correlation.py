"""Pearson correlation with Fisher's interval, and the partial correlation given a covariate."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from models.evaluation.metric import Metric, undefined

FISHER = "Fisher z"
MINIMUM_PAIRS = 4  # the variance of Fisher's z is 1 / (n - 3)
# Below this share of the mean, a spread is the rounding of float arithmetic, not a spread.
_RELATIVE_SPREAD = 1e-9


def pearson_r(truth: NDArray[np.float64], predicted: NDArray[np.float64], confidence: float = 0.95) -> Metric:
    """Pearson r of (n,) pairs, interval by Fisher's z transformation (Fisher 1921).

    A constant side, or fewer than four pairs, gives no value but the reason.
    """
    n = len(truth)
    value = plain_pearson_r(truth, predicted)
    if n < MINIMUM_PAIRS:
        return undefined(f"{n} pairs; at least {MINIMUM_PAIRS} are needed", n, FISHER)
    if value is None:
        which = "predictions" if is_constant(predicted) else "reference values"
        return undefined(f"the {which} are constant", n, FISHER)
    low, high = fisher_interval(value, n, confidence)
    return Metric(value=value, low=low, high=high, n=n, method=FISHER)


def partial_r(
    truth: NDArray[np.float64],
    predicted: NDArray[np.float64],
    given: NDArray[np.float64],
    confidence: float = 0.95,
) -> Metric:
    """Correlation of truth and prediction left after a linear regression of both on (n,) `given`.

    Fisher's interval with one degree of freedom less.
    """
    n, method = len(truth), "Fisher z, partial"
    if n < MINIMUM_PAIRS + 1:
        return undefined(f"{n} pairs; at least {MINIMUM_PAIRS + 1} are needed", n, method)
    pairs = [plain_pearson_r(a, b) for a, b in ((truth, predicted), (truth, given), (predicted, given))]
    if None in pairs:
        return undefined("one of the three variables is constant", n, method)
    r_xy, r_xz, r_yz = (float(r) for r in pairs if r is not None)
    left = (1 - r_xz**2) * (1 - r_yz**2)
    if left <= 1e-12:
        return undefined("the covariate explains one side wholly", n, method)
    value = float(np.clip((r_xy - r_xz * r_yz) / math.sqrt(left), -1, 1))
    low, high = fisher_interval(value, n - 1, confidence)
    return Metric(value=value, low=low, high=high, n=n, method=method)


def fisher_interval(r: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of a correlation `r` from `n` pairs (n >= 4)."""
    if abs(r) >= 1:
        return r, r
    z, half = math.atanh(r), float(norm.ppf(0.5 + confidence / 2)) / math.sqrt(n - 3)
    return math.tanh(z - half), math.tanh(z + half)


def is_constant(values: NDArray[np.float64]) -> bool:
    """True when all (n,) values agree within float rounding."""
    spread = float(np.max(values) - np.min(values))
    return spread <= _RELATIVE_SPREAD * max(float(np.max(np.abs(values))), 1e-300)


def plain_pearson_r(a: NDArray[np.float64], b: NDArray[np.float64]) -> float | None:
    """Pearson r without interval; None when a side is constant or there are fewer than two pairs."""
    n = len(a)
    if n < 2:
        return None
    da, db = a - a.sum() / n, b - b.sum() / n
    saa, sbb = float(da @ da), float(db @ db)
    if saa <= n * (_RELATIVE_SPREAD * a[0]) ** 2 or sbb <= n * (_RELATIVE_SPREAD * b[0]) ** 2:
        return None
    return min(1.0, max(-1.0, float(da @ db) / math.sqrt(saa * sbb)))
