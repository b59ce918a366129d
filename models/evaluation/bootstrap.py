"""Bootstrap over patients: the patient, never the vertebra, is what was sampled.

The resamples are a matrix of weights, (B, P): how often each of P patients is in each of B resamples. Whatever is a
sum over patients is then one matrix product (`models.evaluation.resampled`); the same seed and the same number of
patients give the same resamples, so that differences between two models or rules are paired.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models.evaluation.metric import Metric, undefined
from models.params import Section

# More undefined resamples than this, and the percentiles speak only of the lucky ones.
MAXIMUM_UNDEFINED_SHARE = 0.05
METHOD = "bootstrap over patients"

Statistic = Callable[[NDArray[np.int64]], float | None]
Floats = NDArray[np.float64]


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


@dataclass(frozen=True)
class Resamples:
    """Resamples of the patients that n rows belong to.

    Attributes
    ----------
    weights
        (B, P) how often each patient is in each resample.
    of_row
        (n,) number of each row's patient, 0 to P-1.
    """

    weights: Floats
    of_row: NDArray[np.int64]

    def sums(self, columns: Floats) -> Floats:
        """(B, k) weighted sums of (n, k) columns."""
        per_patient = np.zeros((self.weights.shape[1], columns.shape[1]))
        np.add.at(per_patient, self.of_row, columns)
        return self.weights @ per_patient

    def of_rows(self, rows: NDArray[np.int64]) -> Floats:
        """(B, m) weights of these rows."""
        return self.weights[:, self.of_row[rows]]


def resamples(patients: Sequence[str], how: Resampling) -> Resamples:
    """Resamples of whole patients; `patients` names the patient of each of n rows (n >= 1)."""
    _, of_row = np.unique(np.asarray(patients), return_inverse=True)
    return Resamples(_weights(int(of_row.max()) + 1, how.draws, how.seed), of_row.astype(np.int64))


@lru_cache(maxsize=16)
def _weights(patients: int, draws: int, seed: int) -> Floats:
    generator = np.random.default_rng(seed)
    drawn = generator.integers(0, patients, (draws, patients))
    drawn += np.arange(draws)[:, None] * patients  # one block of numbers a resample, counted in one go
    weights = np.bincount(drawn.ravel(), minlength=draws * patients).reshape(draws, patients).astype(float)
    weights.setflags(write=False)  # shared by everybody who asks for the same resamples
    return weights


def interval(
    value: float | None,
    drawn: Floats,
    n: int,
    how: Resampling,
    *,
    positives: int | None = None,
    why_undefined: str = "not defined on these data",
    method: str = METHOD,
) -> Metric:
    """Percentile interval of a statistic from its (B,) values on the resamples, NaN where not defined."""
    if value is None or not np.isfinite(value):
        return undefined(why_undefined, n, method, positives)
    known = drawn[np.isfinite(drawn)]
    if len(known) < (1 - MAXIMUM_UNDEFINED_SHARE) * len(drawn):
        share = 1 - len(known) / len(drawn)
        return undefined(f"not defined in {share:.0%} of the resamples", n, method, positives)
    low, high = np.quantile(known, [(1 - how.confidence) / 2, (1 + how.confidence) / 2])
    # A percentile interval of a skewed statistic can miss the estimate itself by a hair.
    return Metric(
        value=value,
        low=min(float(low), value),
        high=max(float(high), value),
        n=n,
        positives=positives,
        method=method,
    )


def bootstrap_at_once(
    statistic: Callable[[Resamples], Floats],
    patients: Sequence[str],
    how: Resampling,
    *,
    positives: int | None = None,
    why_undefined: str = "not defined on these data",
    method: str = METHOD,
) -> Metric:
    """As `bootstrap`, for a statistic that answers all resamples together (see `models.evaluation.resampled`)."""
    n = len(patients)
    if n == 0:
        return undefined(why_undefined, n, method, positives)
    drawn = resamples(patients, how)
    people = drawn.weights.shape[1]
    value = float(statistic(Resamples(np.ones((1, people)), drawn.of_row))[0])
    if not np.isfinite(value):
        return undefined(why_undefined, n, method, positives)
    if people < 2:
        return undefined("one patient only: nothing to resample", n, method, positives)
    return interval(value, statistic(drawn), n, how, positives=positives, method=method)


def bootstrap(
    statistic: Statistic,
    patients: Sequence[str],
    how: Resampling,
    *,
    positives: int | None = None,
    why_undefined: str = "not defined on these data",
    method: str = METHOD,
) -> Metric:
    """Percentile interval of any statistic by resampling whole patients, one resample after the other.

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
    drawn = resamples(patients, how)
    if drawn.weights.shape[1] < 2:
        return undefined("one patient only: nothing to resample", n, method, positives)
    by_patient = np.argsort(drawn.of_row, kind="stable")
    owners = drawn.of_row[by_patient]
    results = np.full(how.draws, np.nan)
    for number, weights in enumerate(drawn.weights):
        result = statistic(np.repeat(by_patient, weights[owners].astype(np.int64)))
        results[number] = np.nan if result is None else result
    return interval(value, results, n, how, positives=positives, why_undefined=why_undefined, method=method)
