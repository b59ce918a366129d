"""Statistics on every resample at once: each function answers (B,) values, NaN where not defined."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.evaluation.bootstrap import Resamples
from models.evaluation.correlation import is_constant

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
_NO_SPREAD = 1e-12  # of the whole sample's variance: what is left is rounding


def mean(drawn: Resamples, values: Floats) -> Floats:
    """Mean of (n,) values."""
    sums = drawn.sums(np.column_stack([np.ones(len(values)), values]))
    return _divided(sums[:, 1], sums[:, 0])


def root_mean_square(drawn: Resamples, values: Floats) -> Floats:
    """Root of the mean square of (n,) values."""
    return np.sqrt(mean(drawn, values**2))


def limits(drawn: Resamples, difference: Floats, deviations: float) -> tuple[Floats, Floats]:
    """Mean of (n,) differences minus and plus so many standard deviations (of n - 1)."""
    centre = difference.mean()
    w, first, second = drawn.sums(
        np.column_stack([np.ones(len(difference)), difference - centre, (difference - centre) ** 2])
    ).T
    middle = first / w
    sd = np.sqrt(np.maximum(second - w * middle**2, 0) / np.maximum(w - 1, 1))
    return centre + middle - deviations * sd, centre + middle + deviations * sd


def line(drawn: Resamples, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Slope and intercept of the least-squares line of y on x."""
    cx, cy = x.mean(), y.mean()
    dx, dy = x - cx, y - cy
    w, sx, sy, sxx, sxy = drawn.sums(np.column_stack([np.ones(len(x)), dx, dy, dx * dx, dx * dy])).T
    spread = sxx - sx**2 / w
    slope = _divided(
        sxy - sx * sy / w, np.where(spread > _NO_SPREAD * max(float(dx @ dx), 1e-300), spread, 0)
    )
    return slope, cy + sy / w - slope * (cx + sx / w)


def pearson_r(drawn: Resamples, a: Floats, b: Floats) -> Floats:
    """Pearson correlation of (n,) pairs."""
    if is_constant(a) or is_constant(b):  # means of equal numbers can differ by the last bit
        return np.full(len(drawn.weights), np.nan)
    # standardised by the whole sample, so that squares of nearly equal numbers are not subtracted
    a, b = ((side - side.mean()) / side.std() for side in (a, b))
    w, sa, sb, saa, sbb, sab = drawn.sums(np.column_stack([np.ones(len(a)), a, b, a * a, b * b, a * b])).T
    va, vb, cov = saa / w - (sa / w) ** 2, sbb / w - (sb / w) ** 2, sab / w - sa * sb / w**2
    r = _divided(cov, np.sqrt(np.maximum(va, 0) * np.maximum(vb, 0)))
    r[(va <= _NO_SPREAD) | (vb <= _NO_SPREAD)] = np.nan
    return np.clip(r, -1, 1)


def share(drawn: Resamples, called: Bools, among: Bools) -> Floats:
    """Share of `called` among the rows of `among`, both (n,)."""
    sums = drawn.sums(np.column_stack([called & among, among]).astype(np.float64))
    return _divided(sums[:, 0], sums[:, 1])


def auc(drawn: Resamples, positive: Bools, score: Floats) -> Floats:
    """Mann-Whitney AUC of (n,) scores, ties counted half."""
    positives, negatives = _by_score(drawn, positive, score)
    below = np.cumsum(negatives, axis=1) - negatives
    wins = (positives * (below + negatives / 2)).sum(axis=1)
    return _divided(wins, positives.sum(axis=1) * negatives.sum(axis=1))


def best_youden(drawn: Resamples, positive: Bools, score: Floats) -> tuple[Floats, Floats]:
    """Sensitivity and specificity where their sum is largest, the cut chosen anew on each resample.

    High scores call the finding; of equal sums the one with the higher sensitivity.
    """
    positives, negatives = (part[:, ::-1] for part in _by_score(drawn, positive, score))
    true = _divided(np.cumsum(positives, axis=1), positives.sum(axis=1, keepdims=True))
    false = _divided(np.cumsum(negatives, axis=1), negatives.sum(axis=1, keepdims=True))
    gain = np.round(true - false, 12)
    last_best = gain.shape[1] - 1 - np.argmax(gain[:, ::-1], axis=1)
    rows = np.arange(len(gain))
    return true[rows, last_best], 1 - false[rows, last_best]


def _by_score(drawn: Resamples, positive: Bools, score: Floats) -> tuple[Floats, Floats]:
    """(B, g) weight of positives and of negatives at each of g distinct scores, ascending."""
    order = np.argsort(score, kind="stable")
    _, starts = np.unique(score[order], return_index=True)
    weights, marked = drawn.of_rows(order), positive[order].astype(np.float64)
    with_it = np.add.reduceat(weights * marked, starts, axis=1)
    return with_it, np.add.reduceat(weights, starts, axis=1) - with_it


def _divided(above: Floats, below: Floats) -> Floats:
    """Quotient; NaN where the divisor is zero."""
    return np.divide(above, below, out=np.full(np.broadcast(above, below).shape, np.nan), where=below != 0)
