"""How many test patients a prediction interval that keeps its promise may hold: the exact band."""

from __future__ import annotations

import math
from typing import NamedTuple

from scipy.stats import betabinom, binom


class CoverageBand(NamedTuple):
    """Smallest and largest share of test patients inside their interval, both still inside the band."""

    low: float
    high: float


def exact_band(nominal: float, n_test: int, n_calibration: int, confidence: float) -> CoverageBand:
    """Band of the observed coverage of a split conformal interval that keeps its promise.

    Given its calibration patients, the interval's true coverage is itself drawn: Beta(k, n + 1 - k) with
    k = ceil((n + 1) nominal) of n calibration patients (Vovk 2012). The count among the test patients is then
    binomial in that draw, beta-binomial over all. With many calibration patients it becomes `binomial_band`.
    """
    rank = min(math.ceil((n_calibration + 1) * nominal - 1e-9), n_calibration)
    law = betabinom(n_test, rank, n_calibration + 1 - rank)
    tail = (1 - confidence) / 2
    return CoverageBand(float(law.ppf(tail)) / n_test, float(law.ppf(1 - tail)) / n_test)


def binomial_band(nominal: float, n_test: int, confidence: float) -> CoverageBand:
    """The same, were the true coverage `nominal` itself: exact binomial, calibration taken as endless."""
    tail = (1 - confidence) / 2
    return CoverageBand(
        float(binom.ppf(tail, n_test, nominal)) / n_test,
        float(binom.ppf(1 - tail, n_test, nominal)) / n_test,
    )
