"""Do the prediction intervals hold as many patients as they promise?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.stats import betabinom

from models.evaluation.agreement import clopper_pearson
from models.evaluation.conformal import conformal_rank
from models.evaluation.measures import pairs
from models.evaluation.metric import Metric, undefined


def interval_coverage(
    patients: pd.DataFrame,
    half_widths: Mapping[str, float],
    calibration_patients: Mapping[str, int],
    nominal: float,
    confidence: float,
) -> dict[str, Metric]:
    """Share of patients inside their interval, and whether that is as it should be.

    Parameters
    ----------
    half_widths
        Target -> frozen half-width.
    calibration_patients
        Target -> how many it was frozen on; empty when that is not known.

    Returns
    -------
    Per target `interval_coverage` (exact binomial interval), `coverage_inside_binomial_band` (1 when the nominal
    coverage lies in that interval, else 0) and `coverage_inside_conformal_band` (1 when the number of patients held
    lies in the central part of its exact distribution, which also knows that the half-width is an order statistic
    of finitely many residuals).
    """
    metrics = {}
    for target, half_width in half_widths.items():
        truth, predicted, _ = pairs(patients, target)
        held, n = int((np.abs(predicted - truth) <= half_width).sum()), len(truth)
        covered = clopper_pearson(held, n, confidence)
        metrics[f"{target}.interval_coverage"] = covered
        metrics[f"{target}.coverage_inside_binomial_band"] = _binomial_band(covered, nominal)
        metrics[f"{target}.coverage_inside_conformal_band"] = _conformal_band(
            held, n, calibration_patients.get(target, 0), nominal, confidence
        )
    return metrics


def conformal_band(n: int, calibration: int, nominal: float, confidence: float) -> tuple[int, int]:
    """Fewest and most of `n` new patients that a split conformal interval holds, two-sided at `confidence`.

    The coverage of the k-th smallest of m residuals is distributed as Beta(k, m + 1 - k), so the number held as
    BetaBinomial(n, k, m + 1 - k) (Vovk 2012; Angelopoulos and Bates 2023, section 3.2).
    """
    rank = conformal_rank(calibration, nominal)
    held = betabinom(n, rank, calibration + 1 - rank)
    return int(held.ppf((1 - confidence) / 2)), int(held.ppf((1 + confidence) / 2))


def _binomial_band(covered: Metric, nominal: float) -> Metric:
    method = f"nominal {nominal:.0%} within the exact binomial interval of the observed coverage"
    if covered.low is None or covered.high is None:
        return undefined(str(covered.reason), covered.n, method)
    return _yes_or_no(covered.low <= nominal <= covered.high, covered.n, method)


def _conformal_band(held: int, n: int, calibration: int, nominal: float, confidence: float) -> Metric:
    method = "exact band of split conformal (beta-binomial)"
    if n == 0:
        return undefined("nobody to count", n, method)
    if calibration == 0:
        return undefined("how many calibration patients froze the interval is not known", n, method)
    low, high = conformal_band(n, calibration, nominal, confidence)
    return _yes_or_no(low <= held <= high, n, f"{method}: {held} held, {low} to {high} expected of {n}")


def _yes_or_no(answer: bool, n: int, method: str) -> Metric:
    value = float(answer)
    return Metric(value=value, low=value, high=value, n=n, method=method)
