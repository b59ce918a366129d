"""How far estimates are from DXA: error, bias, Bland-Altman limits, calibration line; proportions."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, linregress
from scipy.stats import t as student_t

from models.evaluation.correlation import is_constant
from models.evaluation.metric import Metric, undefined

WITHIN_95 = (
    1.959963984540054  # the middle 95 % of a normal distribution, whatever the confidence of its estimate
)


def bias(truth: NDArray[np.float64], predicted: NDArray[np.float64], confidence: float = 0.95) -> Metric:
    """Mean of predicted - truth over (n,) pairs, t interval."""
    n, method = len(truth), "Student t"
    if n < 2:
        return undefined(f"{n} pairs; at least 2 are needed", n, method)
    difference = predicted - truth
    half = _t_factor(n - 1, confidence) * float(difference.std(ddof=1)) / math.sqrt(n)
    mean = float(difference.mean())
    return Metric(value=mean, low=mean - half, high=mean + half, n=n, method=method)


def limits_of_agreement(
    truth: NDArray[np.float64], predicted: NDArray[np.float64], confidence: float = 0.95
) -> tuple[Metric, Metric]:
    """Bland-Altman limits, mean difference -+ 1.96 SD of the (n,) differences.

    Standard error of a limit: SD sqrt(1/n + 1.96^2 / (2 (n - 1))) (Bland and Altman, Lancet 1986 and Stat
    Methods Med Res 1999).
    """
    n, method = len(truth), "Bland-Altman"
    if n < 3:
        lacking = undefined(f"{n} pairs; at least 3 are needed", n, method)
        return lacking, lacking
    difference = predicted - truth
    mean, sd = float(difference.mean()), float(difference.std(ddof=1))
    half = _t_factor(n - 1, confidence) * sd * math.sqrt(1 / n + WITHIN_95**2 / (2 * (n - 1)))
    low, high = (
        Metric(value=limit, low=limit - half, high=limit + half, n=n, method=method)
        for limit in (mean - WITHIN_95 * sd, mean + WITHIN_95 * sd)
    )
    return low, high


def calibration_line(
    truth: NDArray[np.float64], predicted: NDArray[np.float64], confidence: float = 0.95
) -> tuple[Metric, Metric]:
    """Slope and intercept of the least-squares line of truth on prediction over (n,) pairs, t intervals.

    Ideal are 1 and 0; a slope below 1 says that the estimates spread too far.
    """
    n, method = len(truth), "least squares, Student t"
    why = ""
    if n < 3:
        why = f"{n} pairs; at least 3 are needed"
    elif is_constant(predicted) or is_constant(truth):
        why = f"the {'predictions' if is_constant(predicted) else 'reference values'} are constant"
    if why:
        return undefined(why, n, method), undefined(why, n, method)
    fit = linregress(predicted, truth)
    factor = _t_factor(n - 2, confidence)
    slope, intercept = (
        Metric(value=value, low=value - factor * error, high=value + factor * error, n=n, method=method)
        for value, error in (
            (float(fit.slope), float(fit.stderr)),
            (float(fit.intercept), float(fit.intercept_stderr)),
        )
    )
    return slope, intercept


def mean_absolute_error(truth: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    """MAE of (n,) pairs, in the unit of the values."""
    return float(np.abs(predicted - truth).mean())


def root_mean_square_error(truth: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    """RMSE of (n,) pairs, in the unit of the values."""
    return float(np.sqrt(np.mean((predicted - truth) ** 2)))


def _t_factor(freedom: int, confidence: float) -> float:
    return float(student_t.ppf(0.5 + confidence / 2, freedom))


def wilson(hits: int, n: int, confidence: float = 0.95, positives: int | None = None) -> Metric:
    """A proportion with Wilson's score interval (Wilson 1927)."""
    return _proportion(hits, n, confidence, positives, "wilson", "Wilson")


def clopper_pearson(hits: int, n: int, confidence: float = 0.95) -> Metric:
    """A proportion with the exact binomial interval (Clopper and Pearson 1934)."""
    return _proportion(hits, n, confidence, None, "exact", "Clopper-Pearson (exact binomial)")


def _proportion(
    hits: int,
    n: int,
    confidence: float,
    positives: int | None,
    how: Literal["wilson", "exact"],
    method: str,
) -> Metric:
    if n == 0:
        return undefined("nobody to count", n, method, positives)
    bounds = binomtest(hits, n).proportion_ci(confidence, how)
    value = hits / n  # a bound at 0 or 1 can miss it by the last bit
    low, high = min(float(bounds.low), value), max(float(bounds.high), value)
    return Metric(value=value, low=low, high=high, n=n, positives=positives, method=method)
