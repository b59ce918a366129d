"""Patients are resampled, never single vertebrae."""

from __future__ import annotations

import numpy as np
import pytest

from models.evaluation.bootstrap import Resampling, bootstrap

HOW = Resampling(draws=1000, seed=7, confidence=0.95)


def test_interval_of_a_mean_is_that_of_theory() -> None:
    values = np.random.default_rng(1).normal(10, 2, 100)
    metric = bootstrap(lambda rows: float(values[rows].mean()), [str(i) for i in range(100)], HOW)
    half = 1.96 * values.std() / 10
    assert metric.value == pytest.approx(values.mean())
    assert metric.low == pytest.approx(values.mean() - half, abs=0.1)
    assert metric.high == pytest.approx(values.mean() + half, abs=0.1)


def test_four_copies_of_a_patient_tell_no_more_than_one() -> None:
    values = np.random.default_rng(2).normal(0, 1, 25)
    copied = np.repeat(values, 4)
    alone = bootstrap(lambda rows: float(values[rows].mean()), [str(i) for i in range(25)], HOW)
    together = bootstrap(
        lambda rows: float(copied[rows].mean()), [str(i) for i in np.repeat(np.arange(25), 4)], HOW
    )
    assert together.n == 100
    assert (together.low, together.high) == pytest.approx((alone.low, alone.high), abs=0.05)


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.arange(20.0)
    names = [str(i) for i in range(20)]
    assert bootstrap(lambda r: float(values[r].mean()), names, HOW) == bootstrap(
        lambda r: float(values[r].mean()), names, HOW
    )


def test_a_statistic_that_is_often_not_defined_has_no_interval() -> None:
    positive = np.array([True] + [False] * 9)  # absent from (9/10)^10 = 35 % of the resamples
    metric = bootstrap(lambda rows: 1.0 if positive[rows].any() else None, [str(i) for i in range(10)], HOW)
    assert metric.value is None
    assert "of the resamples" in str(metric.reason)


@pytest.mark.parametrize("names", [[], ["a", "a", "a"]])
def test_nobody_to_resample(names: list[str]) -> None:
    assert bootstrap(lambda rows: 1.0, names, HOW).value is None
