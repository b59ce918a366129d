"""Bootstrap over patients: the patient, never the vertebra, is what was sampled."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from models.evaluation.metric import Metric, undefined
from models.params import Section

# More undefined resamples than this, and the percentiles speak only of the lucky ones.
MAXIMUM_UNDEFINED_SHARE = 0.05

Statistic = Callable[[NDArray[np.int64]], float | None]


class Resampling(Section):
    """How to resample.

    Attributes
    ----------
    draws
        Bootstrap resamples.
    seed
        Of the generator; the same data give the same interval.
    confidence
        Two-sided, 0.95 say.
    """

    draws: int
    seed: int
    confidence: float


def bootstrap(
    statistic: Statistic,
    patients: Sequence[str],
    how: Resampling,
    *,
    positives: int | None = None,
    why_undefined: str = "not defined on these data",
    method: str = "bootstrap over patients",
) -> Metric:
    """Percentile interval of a statistic by resampling whole patients.

    Parameters
    ----------
    statistic
        From (m,) row numbers to a number, or None where it is not defined.
    patients
        Patient of each row; rows of one patient are drawn together.
    positives, why_undefined, method
        Written into the metric.
    """
    n = len(patients)
    value = statistic(np.arange(n)) if n else None
    if value is None:
        return undefined(why_undefined, n, method, positives)
    _, of_row = np.unique(np.asarray(patients), return_inverse=True)
    rows = [np.flatnonzero(of_row == patient) for patient in range(int(of_row.max()) + 1)]
    if len(rows) < 2:
        return undefined("one patient only: nothing to resample", n, method, positives)
    single = len(rows) == n  # one row a patient: any numbering of patients will do
    generator = np.random.default_rng(how.seed)
    drawn = []
    for _ in range(how.draws):
        chosen = generator.integers(0, len(rows), len(rows))
        result = statistic(chosen if single else np.concatenate([rows[patient] for patient in chosen]))
        if result is not None:
            drawn.append(result)
    if len(drawn) < (1 - MAXIMUM_UNDEFINED_SHARE) * how.draws:
        share = 1 - len(drawn) / how.draws
        return undefined(f"not defined in {share:.0%} of the resamples", n, method, positives)
    low, high = np.quantile(drawn, [(1 - how.confidence) / 2, (1 + how.confidence) / 2])
    # A percentile interval of a skewed statistic can miss the estimate itself by a hair.
    return Metric(
        value=value,
        low=min(float(low), value),
        high=max(float(high), value),
        n=n,
        positives=positives,
        method=method,
    )
