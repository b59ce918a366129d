"""Prediction intervals: exact bands, against published statements and against simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from models.evaluation.conformal import conformal_half_width
from models.evaluation.coverage import conformal_band, interval_coverage


def _patients(residuals: np.ndarray) -> pd.DataFrame:
    n = len(residuals)
    return pd.DataFrame(
        {
            "patient": [str(number) for number in range(n)],
            "bmd_l1_l4_g_cm2": 0.9,
            "bmd_pred_g_cm2": 0.9 + residuals,
            "tbs_l1_l4": 1.3,
            "tbs_pred": 1.3 + residuals,
        }
    )


def test_coverage_by_hand() -> None:
    """18 of 20 inside 0.05; exact binomial interval of 18/20 (Clopper-Pearson tables): 0.683 to 0.988."""
    residuals = np.r_[np.full(18, 0.02), 0.06, -0.07]
    metrics = interval_coverage(_patients(residuals), {"bmd": 0.05}, {"bmd": 99}, 0.9, 0.95)
    covered = metrics["bmd.interval_coverage"]
    assert covered.value == 0.9
    assert (covered.low, covered.high) == pytest.approx((0.683, 0.988), abs=5e-4)
    assert metrics["bmd.coverage_inside_binomial_band"].value == 1
    assert metrics["bmd.coverage_inside_conformal_band"].value == 1


@pytest.mark.parametrize("held", [500, 560, 600, 618, 630, 642, 650, 690])
def test_inside_the_binomial_band_is_what_the_exact_interval_says(held: int) -> None:
    residuals = np.r_[np.zeros(held), np.ones(700 - held)]
    metric = interval_coverage(_patients(residuals), {"bmd": 0.5}, {}, 0.9, 0.95)[
        "bmd.coverage_inside_binomial_band"
    ]
    interval = binomtest(held, 700).proportion_ci(0.95, "exact")
    assert metric.value == float(interval.low <= 0.9 <= interval.high)


def test_a_thousand_calibration_patients_cover_between_88_and_92_percent() -> None:
    """Angelopoulos and Bates (2023), section 3.2: with n = 1000 and 90 %, coverage is between .88 and .92."""
    low, high = conformal_band(50_000, 1000, 0.9, 0.95)
    assert 0.88 <= low / 50_000 < 0.885
    assert 0.915 < high / 50_000 <= 0.92


def test_the_conformal_band_is_left_by_one_good_model_in_twenty_and_the_binomial_by_far_more() -> None:
    """2,000 runs of a perfectly calibrated procedure, 200 calibration and 300 test patients."""
    rng = np.random.default_rng(12)
    low, high = conformal_band(300, 200, 0.9, 0.95)
    conformal = binomial = 0
    for _ in range(2000):
        noise = np.abs(rng.standard_t(4, 500))
        held = int((noise[200:] <= np.sort(noise[:200])[180]).sum())  # rank ceil(201 x 0.9) = 181
        conformal += not low <= held <= high
        binomial += not 259 <= held <= 280  # of 300: where the exact binomial interval holds 0.9 (scipy)
    assert conformal / 2000 <= 0.055
    assert binomial / 2000 >= 0.12


def test_the_half_width_that_the_band_assumes_is_the_one_that_is_frozen() -> None:
    noise = np.random.default_rng(2).normal(size=200)
    assert conformal_half_width(noise, np.zeros(200), 0.9) == np.sort(np.abs(noise))[180]


def test_without_patients_or_without_their_number_the_reason_is_given() -> None:
    metrics = interval_coverage(_patients(np.zeros(0)), {"bmd": 0.1}, {"bmd": 99}, 0.9, 0.95)
    assert {metric.reason for metric in metrics.values()} == {"nobody to count"}
    metrics = interval_coverage(_patients(np.zeros(9)), {"bmd": 0.1}, {}, 0.9, 0.95)
    assert "is not known" in str(metrics["bmd.coverage_inside_conformal_band"].reason)
