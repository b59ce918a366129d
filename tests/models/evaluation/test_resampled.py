"""Statistics on resamples, each against another package on the very same resample; their intervals likewise."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import roc_auc_score, roc_curve

from models.evaluation import resampled
from models.evaluation.bootstrap import (
    Resamples,
    Resampling,
    bootstrap,
    bootstrap_at_once,
    interval,
    resamples,
)

HOW = Resampling(draws=200, seed=3, confidence=0.95)
N = 60


@pytest.fixture(scope="module")
def sample() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_], list[str]]:
    """x, y, a finding, and patients with three rows each."""
    rng = np.random.default_rng(8)
    x = np.round(rng.normal(0.93, 0.15, N), 2)  # with ties
    y = 0.3 + 0.6 * x + rng.normal(0, 0.08, N)
    return x, y, rng.random(N) < 0.4, [f"p{number // 3}" for number in range(N)]


@pytest.fixture(scope="module")
def drawn(sample) -> Resamples:
    return resamples(sample[3], HOW)


def _times(drawn: Resamples, number: int) -> NDArray[np.int64]:
    """How often each row is in one resample."""
    return drawn.weights[number][drawn.of_row].astype(int)


def test_a_resample_holds_as_many_patients_as_there_are_and_all_rows_of_each(drawn: Resamples) -> None:
    assert (drawn.weights.sum(axis=1) == 20).all()
    assert drawn.of_rows(np.arange(3)).std(axis=1).max() == 0
    assert drawn.weights.mean() == 1.0


def test_pearson_r_is_numpys(sample, drawn: Resamples) -> None:
    x, y, *_ = sample
    ours = resampled.pearson_r(drawn, x, y)
    for number in range(20):
        cov = np.cov(x, y, fweights=_times(drawn, number))
        assert ours[number] == pytest.approx(cov[0, 1] / np.sqrt(cov[0, 0] * cov[1, 1]), abs=1e-12)


def test_r_stays_exact_far_from_zero(drawn: Resamples) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=N)
    y = x + rng.normal(size=N)
    assert resampled.pearson_r(drawn, 1e6 + x, 1e6 + y) == pytest.approx(
        resampled.pearson_r(drawn, x, y), abs=1e-7
    )


def test_auc_is_sklearns(sample, drawn: Resamples) -> None:
    x, _, positive, _ = sample
    ours = resampled.auc(drawn, positive, -x)
    for number in range(20):
        theirs = roc_auc_score(positive, -x, sample_weight=_times(drawn, number))
        assert ours[number] == pytest.approx(theirs, abs=1e-12)


def test_best_youden_is_that_of_sklearns_curve(sample, drawn: Resamples) -> None:
    x, _, positive, _ = sample
    true, specific = resampled.best_youden(drawn, positive, -x)
    for number in range(20):
        false_share, true_share, _ = roc_curve(
            positive, -x, sample_weight=_times(drawn, number), drop_intermediate=False
        )
        best = np.max(true_share - false_share)
        assert true[number] + specific[number] - 1 == pytest.approx(best, abs=1e-9)


def test_limits_and_line_are_those_of_the_repeated_rows(sample, drawn: Resamples) -> None:
    x, y, *_ = sample
    low, high = resampled.limits(drawn, y - x, 1.96)
    slope, intercept = resampled.line(drawn, x, y)
    for number in range(10):
        rows = np.repeat(np.arange(N), _times(drawn, number))
        difference = (y - x)[rows]
        assert low[number] == pytest.approx(difference.mean() - 1.96 * difference.std(ddof=1))
        assert high[number] == pytest.approx(difference.mean() + 1.96 * difference.std(ddof=1))
        theirs = sm.OLS(y[rows], sm.add_constant(x[rows])).fit().params
        assert (intercept[number], slope[number]) == pytest.approx(tuple(theirs))


def test_all_at_once_and_one_by_one_are_the_same(sample) -> None:
    x, y, _, patients = sample
    at_once = bootstrap_at_once(lambda drawn: resampled.pearson_r(drawn, x, y), patients, HOW)
    one_by_one = bootstrap(lambda rows: float(np.corrcoef(x[rows], y[rows])[0, 1]), patients, HOW)
    assert (at_once.value, at_once.low, at_once.high) == pytest.approx(
        (one_by_one.value, one_by_one.low, one_by_one.high)
    )


def test_interval_of_r_is_that_of_scipys_bootstrap(sample) -> None:
    x, y, *_ = sample
    how = HOW.model_copy(update={"draws": 4000})
    ours = bootstrap_at_once(
        lambda drawn: resampled.pearson_r(drawn, x, y), [str(number) for number in range(N)], how
    )
    theirs = stats.bootstrap(
        (x, y),
        lambda a, b: stats.pearsonr(a, b).statistic,
        paired=True,
        vectorized=False,
        n_resamples=2000,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.02)


def test_clustered_interval_is_as_wide_as_the_cluster_robust_one_of_statsmodels() -> None:
    rng = np.random.default_rng(5)
    people = np.repeat(np.arange(150), 4)
    values = np.repeat(rng.normal(0, 1, 150), 4) + rng.normal(0, 0.5, 600)
    ours = bootstrap_at_once(
        lambda drawn: resampled.mean(drawn, values),
        [str(person) for person in people],
        HOW.model_copy(update={"draws": 4000}),
    )
    fit = sm.OLS(values, np.ones(600)).fit(cov_type="cluster", cov_kwds={"groups": people})
    low, high = fit.conf_int()[0]
    assert ours.low is not None
    assert ours.high is not None
    assert ours.high - ours.low == pytest.approx(high - low, rel=0.06)


def test_undefined_resamples_are_no_numbers(sample, drawn: Resamples) -> None:
    x, _, positive, _ = sample
    nobody = np.zeros(N, dtype=bool)
    for values in (
        resampled.auc(drawn, nobody, x),
        resampled.share(drawn, positive, nobody),
        resampled.pearson_r(drawn, np.full(N, 0.3), x),
        resampled.line(drawn, np.full(N, 0.3), x)[0],
    ):
        assert np.isnan(values).all()
    assert interval(0.5, np.full(100, np.nan), 5, HOW).reason == "not defined in 100% of the resamples"
    assert interval(None, np.zeros(100), 5, HOW, why_undefined="one class only").reason == "one class only"


def test_a_side_that_differs_by_the_last_bit_only_has_no_correlation() -> None:
    """The mean of three times 0.9 is not 0.9; a correlation with that rounding would come out of nothing."""
    side = np.array([0.9, (0.9 + 0.9 + 0.9) / 3, 0.9, np.nextafter(0.9, 1)])
    drawn = resamples(["a", "b", "c", "d"], Resampling(draws=5, seed=1, confidence=0.95))
    assert np.isnan(resampled.pearson_r(drawn, side, np.array([1.0, 2.0, 3.0, 4.0]))).all()
