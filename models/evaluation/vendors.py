"""Is any vendor's scanner served worse than the others?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from models.evaluation import resampled
from models.evaluation.agreement import bias
from models.evaluation.bootstrap import Resamples, Resampling, interval, resamples
from models.evaluation.measures import UNITS, pairs
from models.evaluation.metric import Metric, undefined

METHOD = "bootstrap over patients within the group and within all others"


def r_difference(group: pd.DataFrame, others: pd.DataFrame, target: str, how: Resampling) -> Metric:
    """Pearson r of a group's patients minus that of all others; both sides are resampled apart."""
    inside, outside = pairs(group, target), pairs(others, target)
    n = len(inside.truth)
    if n < 2 or len(outside.truth) < 2:
        return undefined("nobody to compare with", n, METHOD)
    sides = (
        (inside, resamples(inside.patients, how)),
        (outside, resamples(outside.patients, how.model_copy(update={"seed": how.seed + 1}))),
    )
    ours, theirs = (resampled.pearson_r(drawn, data.truth, data.predicted) for data, drawn in sides)
    whole = [
        float(resampled.pearson_r(Resamples(np.ones((1, len(data.truth))), drawn.of_row), *data[:2])[0])
        for data, drawn in sides
    ]
    return interval(
        whole[0] - whole[1], ours - theirs, n, how, why_undefined="a side is constant", method=METHOD
    )


def worst_vendor(patients: pd.DataFrame, minimum: int, how: Resampling) -> dict[str, Metric]:
    """The vendor furthest off, with intervals that allow for having picked the worst (Bonferroni).

    Parameters
    ----------
    patients
        Judged test patients, one row each.
    minimum
        Patients that every vendor must have; otherwise the worst is not known.

    Returns
    -------
    Per target `worst_vendor.<target>.bias` (signed, of the vendor with the largest one) and
    `worst_vendor.<target>.r_difference` (of the vendor whose r falls shortest of all others').
    """
    metrics: dict[str, Metric] = {}
    vendors = sorted(patients["vendor"].unique())
    strict = how.model_copy(update={"confidence": strict_confidence(how.confidence, len(vendors))})
    for target, unit in UNITS.items():
        bias_key, r_key = f"worst_vendor.{target}.bias{unit}", f"worst_vendor.{target}.r_difference"
        counts = {str(vendor): len(pairs(rows, target).truth) for vendor, rows in patients.groupby("vendor")}
        why = _why_not(counts, minimum)
        if why:
            metrics |= {key: undefined(why, len(patients), "worst vendor") for key in (bias_key, r_key)}
            continue
        biases, differences = {}, {}
        for vendor in vendors:
            inside = patients["vendor"] == vendor
            data = pairs(patients[inside], target)
            biases[vendor] = bias(data.truth, data.predicted, strict.confidence)
            differences[vendor] = r_difference(patients[inside], patients[~inside], target, strict)
        furthest = max(vendors, key=lambda vendor: abs(biases[vendor].value or 0.0))
        metrics[bias_key] = _named(biases[furthest], furthest, len(vendors))
        undecided = [vendor for vendor in vendors if differences[vendor].value is None]
        lowest = (
            undecided[0] if undecided else min(vendors, key=lambda vendor: differences[vendor].value or 0.0)
        )
        metrics[r_key] = _named(differences[lowest], lowest, len(vendors))
    return metrics


def strict_confidence(confidence: float, vendors: int) -> float:
    """Bonferroni's, of an interval of the worst of so many vendors: it was picked for being the worst."""
    return 1 - (1 - confidence) / max(1, vendors)


def _why_not(counts: Mapping[str, int], minimum: int) -> str | None:
    if len(counts) < 2:
        return "patients of one vendor only"
    few = [f"{vendor} has {n}" for vendor, n in counts.items() if n < minimum]
    return f"too few: {', '.join(few)} patients, {minimum} of every vendor needed" if few else None


def _named(metric: Metric, vendor: str, vendors: int) -> Metric:
    method = f"{vendor}, the furthest of {vendors} vendors; {metric.method}, Bonferroni"
    return metric.model_copy(update={"method": method})
