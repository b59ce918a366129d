"""Groups of test patients: who is in them, from how many on they are judged, and the vendor furthest off."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from models.evaluation.bootstrap import Resampling
from models.evaluation.correlation import fisher_interval
from models.evaluation.settings import EvaluateParams
from models.evaluation.subgroups import band_titles, dimensions
from models.evaluation.vendors import r_difference, worst_vendor
from models.params import load_section

PARAMS = load_section(Path(__file__).resolve().parents[3] / "params.yaml", "evaluate", EvaluateParams)
HOW = Resampling(draws=1000, seed=1, confidence=0.95)


def _patients(n_of: dict[str, int], seed: int = 0, r: float = 0.9) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    vendors = [vendor for vendor, n in n_of.items() for _ in range(n)]
    n = len(vendors)
    truth = rng.normal(0, 1, n)
    estimate = r * truth + math.sqrt(1 - r**2) * rng.normal(0, 1, n)
    return pd.DataFrame(
        {
            "patient": [f"{number:04d}" for number in range(n)],
            "vendor": vendors,
            "bmd_l1_l4_g_cm2": 0.93 + 0.15 * truth,
            "bmd_pred_g_cm2": 0.93 + 0.15 * estimate,
            "tbs_l1_l4": 1.3 + 0.1 * truth,
            "tbs_pred": 1.3 + 0.1 * estimate,
        }
    )


def test_bands_begin_where_they_say() -> None:
    assert band_titles((50, 65), "years") == ["under 50 years", "50 to under 65 years", "65 years and over"]
    people = pd.DataFrame(
        {
            "vendor": "GE", "kernel_class": "soft", "sex": ["F", "M", "O", "F"], "kvp": [80.0, 100, 120, 140],
            "slice_thickness_mm": [1.0, 1.5, 2.9, 3.0], "age_years": [49.9, 50.0, 64.9, np.nan],
            "bmi_kg_m2": [24.9, 25.0, 30.0, 31.0],
        }
    )  # fmt: skip
    bands = PARAMS.subgroups.model_copy(update={"age_years": (50.0, 65.0)})
    found = {
        name: list(labels)
        for name, labels, _ in dimensions(people, PARAMS.model_copy(update={"subgroups": bands}))
    }
    middle = "50 to under 65 years"
    assert found["age"] == ["under 50 years", middle, middle, "unknown"]
    assert found["sex"] == ["women", "men", "unknown", "women"]
    assert found["slice_thickness"] == [
        "under 1.5 mm",
        "1.5 to under 3 mm",
        "1.5 to under 3 mm",
        "3 mm and over",
    ]
    assert found["kvp"][0] == "under 90 kV"
    assert set(found) == {"vendor", "kernel_class", "sex", "slice_thickness", "kvp", "age", "bmi"}


def test_difference_of_independent_correlations_is_that_of_zous_interval() -> None:
    """Zou, Psychol Methods 2007;12:399-413: limits from the two Fisher intervals (close for normal data)."""
    patients = _patients({"GE": 250, "Canon": 350}, seed=3, r=0.7)
    inside = patients["vendor"] == "GE"
    ours = r_difference(patients[inside], patients[~inside], "bmd", HOW)
    (r1, l1, u1), (r2, l2, u2) = (
        (r, *fisher_interval(r, n))
        for r, n in (
            (np.corrcoef(rows["bmd_l1_l4_g_cm2"], rows["bmd_pred_g_cm2"])[0, 1], len(rows))
            for rows in (patients[inside], patients[~inside])
        )
    )
    low = r1 - r2 - math.hypot(r1 - l1, u2 - r2)
    high = r1 - r2 + math.hypot(u1 - r1, r2 - l2)
    assert ours.value == pytest.approx(r1 - r2)
    assert (ours.low, ours.high) == pytest.approx((low, high), abs=0.02)


def test_a_vendor_that_reads_low_is_found_and_its_interval_allows_for_the_search() -> None:
    patients = _patients({"GE": 100, "Canon": 100, "Philips": 100, "Siemens": 100})
    patients.loc[patients["vendor"] == "Philips", "bmd_pred_g_cm2"] -= 0.06
    metric = worst_vendor(patients, 10, HOW)["worst_vendor.bmd.bias_g_cm2"]
    assert metric.method.startswith("Philips")
    assert metric.high is not None
    assert metric.low is not None
    assert metric.high < 0
    difference = (patients["bmd_pred_g_cm2"] - patients["bmd_l1_l4_g_cm2"])[patients["vendor"] == "Philips"]
    # four vendors: 98.75 % instead of 95 %, normal quantile 2.498 (100 patients: nearly Student's)
    half = float(norm.ppf(1 - 0.05 / 8)) * float(difference.std()) / 10
    assert metric.high - metric.low == pytest.approx(2 * half, rel=0.03)


def test_a_vendor_whose_estimates_are_noise_falls_behind_in_r() -> None:
    patients = _patients({"GE": 150, "Canon": 150, "Philips": 150})
    canon = patients["vendor"] == "Canon"
    patients.loc[canon, "tbs_pred"] = 1.3 + np.random.default_rng(4).normal(0, 0.1, 150)
    metric = worst_vendor(patients, 10, HOW)["worst_vendor.tbs.r_difference"]
    assert metric.method.startswith("Canon")
    assert metric.high is not None
    assert metric.high < -0.5


def test_without_difference_between_vendors_the_interval_usually_holds_zero() -> None:
    held = sum(
        float(metric.low or 0) <= 0 <= float(metric.high or 0)
        for seed in range(40)
        for metric in [
            worst_vendor(
                _patients({"GE": 60, "Canon": 60, "Philips": 60, "Siemens": 60}, seed),
                10,
                HOW.model_copy(update={"draws": 400}),
            )["worst_vendor.bmd.r_difference"]
        ]
    )
    assert held >= 35


@pytest.mark.parametrize(
    ("n_of", "words"),
    [
        ({"GE": 40}, "one vendor only"),
        ({"GE": 40, "Canon": 9}, "Canon has 9 patients, 10 of every vendor needed"),
    ],
)
def test_the_worst_vendor_is_not_known_where_one_cannot_be_judged(n_of: dict[str, int], words: str) -> None:
    metrics = worst_vendor(_patients(n_of), 10, HOW)
    assert len(metrics) == 4
    assert all(metric.value is None and words in str(metric.reason) for metric in metrics.values())
