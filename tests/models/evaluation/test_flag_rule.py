"""The flag as a rule, by hand; net benefit by hand and by its published example."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.bone_reference import ScalesParams
from models.decision import Cutoffs, DecisionRules, Geometry, Reference, Versions
from models.evaluation.decision_curve import decision_curves, net_benefit
from models.evaluation.flag_comparison import flag_rules
from models.evaluation.flag_rule import any_finding, flag_metrics, flags, freeze_hu_rule, rule_differences
from models.evaluation.settings import EvaluateParams
from models.params import load_section

PARAMS_FILE = Path(__file__).resolve().parents[3] / "params.yaml"
SCALES = load_section(PARAMS_FILE, "scales", ScalesParams)
PARAMS = load_section(PARAMS_FILE, "evaluate", EvaluateParams).model_copy(update={"bootstrap_draws": 200})
ON = ("osteopenia", "osteoporosis", "impaired_tbs")
# Hologic female reference: osteopenia at or below 0.937, osteoporosis at or below 0.772 g/cm2; TBS below 1.31.
SIX = pd.DataFrame(
    {
        "patient": list("abcdef"),
        "bmd_l1_l4_g_cm2": [0.70, 0.90, 1.00, 1.10, 1.20, 1.30],
        "tbs_l1_l4": [1.40, 1.40, 1.20, 1.40, 1.40, 1.20],
        "bmi_kg_m2": [25.0, 25.0, 25.0, 25.0, 25.0, 45.0],
        "tbs_judged": [True, True, True, True, True, False],
        "trabecular_hu": [90.0, 110.0, 150.0, 160.0, 120.0, 200.0],
    }
)
FLAGGED = np.array([True, False, True, True, False, True])


def test_any_finding_is_known_where_one_is_certain_or_all_are_judged() -> None:
    has, known = any_finding(SIX, SCALES, ON)
    assert has.tolist() == [True, True, True, False, False, False]
    assert known.tolist() == [True, True, True, True, True, False]  # f: TBS not judged, BMD normal


def test_shares_by_hand() -> None:
    metrics = flag_metrics(FLAGGED, SIX, SCALES, ON, 0.95)
    expected = {
        "flag.sensitivity": 2 / 3,
        "flag.specificity": 1 / 2,
        "flag.ppv": 2 / 3,
        "flag.npv": 1 / 2,
        "flag.share": 4 / 6,
        "flag.number_needed_to_scan": 3 / 2,
        "flag.osteoporosis_flagged": 1.0,
        "flag.osteopenia_flagged": 1 / 2,
        "flag.impaired_tbs_flagged": 1.0,
        "flag.healthy_not_flagged": 1 / 2,
    }
    assert {name: metric.value for name, metric in metrics.items()} == pytest.approx(expected)


def test_nobody_flagged_needs_no_scan_but_a_reason() -> None:
    metrics = flag_metrics(np.zeros(6, bool), SIX, SCALES, ON, 0.95)
    assert metrics["flag.number_needed_to_scan"].reason == "nobody to count"
    assert metrics["flag.share"].value == 0


def test_hu_rule_by_hand() -> None:
    """Findings at 90, 110, 150 HU, none at 160 and 120: of Youden's equals (115: 2/3 and 2/2; 155: 3/3 and 1/2)
    the better is 115 with 0.67; a sensitivity of 1 asks for 155."""
    params = PARAMS.model_copy(update={"minimum_class_patients": 1})
    youden = freeze_hu_rule(SIX, SCALES, params)
    assert youden is not None
    assert (youden.value, youden.n) == (115.0, 5)
    whole = freeze_hu_rule(SIX, SCALES, params, 1.0)
    assert whole is not None
    assert whole.value == 155.0
    assert freeze_hu_rule(SIX.assign(trabecular_hu=np.nan), SCALES, params) is None


def test_differences_between_rules_are_paired() -> None:
    many = pd.concat(
        [SIX.assign(patient=SIX["patient"] + str(copy)) for copy in range(40)], ignore_index=True
    )
    ours, theirs = np.tile(FLAGGED, 40), np.tile(np.array([True] * 4 + [False] * 2), 40)
    differences = rule_differences(ours, theirs, many, SCALES, ON, PARAMS.resampling)
    assert differences["flag.sensitivity"].value == pytest.approx(2 / 3 - 1)
    assert differences["flag.specificity"].value == pytest.approx(0)
    same = rule_differences(ours, ours, many, SCALES, ON, PARAMS.resampling)
    assert all((metric.low, metric.high) == (0, 0) for metric in same.values())


def test_flagging_everybody_finds_all_and_spares_nobody_and_a_missing_hu_has_a_reason() -> None:
    test = SIX.assign(flagged=FLAGGED)
    rules = flag_rules(test, {"hu": None}, SCALES, PARAMS)
    assert rules["everyone"].metrics["flag.sensitivity"].value == 1
    assert rules["everyone"].metrics["flag.specificity"].value == 0
    assert rules["network"].metrics["flag.sensitivity"].value == pytest.approx(2 / 3)
    assert "no HU rule" in str(rules["hu"].metrics["flag.sensitivity"].reason)
    assert "no HU rule" in str(rules["network_minus_hu"].metrics["flag.share"].reason)


def test_the_flag_is_that_of_the_function_that_answers_patients() -> None:
    """BMD 0.90 with half-width 0.05 lies beyond the cut-off 0.92; 1.00 and TBS 1.40 beyond none; 5 cannot be BMD."""
    rules = DecisionRules(
        schema_version=1, data_kind="simulated", cutoffs=Cutoffs(0.92, 0.80, 1.30), flag_on=ON,
        bmd_half_width_g_cm2=0.05, tbs_half_width=0.1, interval_coverage=0.9,
        reference=Reference("Hologic", 1.047, 0.110, -1.0, -2.5, 1.31), geometry=Geometry(96, 64.0, 3, 2.0, 6.0),
        versions=Versions("d", "c", "p", "m"), vendors=("GE",), kvp_minimum=80, kvp_maximum=140,
    )  # fmt: skip
    estimates = {"a": (0.90, 1.40), "b": (1.00, 1.40), "c": (1.00, 1.29), "d": (5.0, 1.40)}
    levels = pd.DataFrame(
        [
            {"patient": name, "level": level, "bmd_pred_g_cm2": bmd, "tbs_pred": tbs}
            for (name, (bmd, tbs)), level in itertools.product(estimates.items(), ("L1", "L2"))
        ]
    )
    patients = pd.DataFrame({"patient": list("abcd")})
    assert flags(patients, levels, rules).tolist() == [True, False, True, True]
    wide = replace(rules, bmd_half_width_g_cm2=0.25)  # 1.00 - 0.25 reaches the osteoporosis cut, 0.772
    assert flags(patients, levels, wide).tolist() == [True, True, True, True]


def test_net_benefit_by_hand_and_as_vickers_gives_it() -> None:
    """Sending everybody at 14 % prevalence and threshold 10 %: 0.14 - 0.86 x 0.1 / 0.9 = 0.0444."""
    positive = np.arange(1000) < 140
    assert net_benefit(positive, np.ones(1000, bool), 0.1) == pytest.approx(0.0444, abs=5e-5)
    assert net_benefit(positive, np.zeros(1000, bool), 0.1) == 0
    sent = np.r_[np.ones(100, bool), np.zeros(40, bool), np.ones(86, bool), np.zeros(774, bool)]
    assert net_benefit(positive, sent, 0.2) == pytest.approx((100 - 86 * 0.25) / 1000)


def _people(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    bmd = rng.normal(0.92, 0.15, n)
    return pd.DataFrame(
        {
            "patient": [f"{seed}-{number}" for number in range(n)],
            "bmd_l1_l4_g_cm2": bmd,
            "tbs_l1_l4": rng.normal(1.31, 0.1, n),
            "bmd_pred_g_cm2": bmd + rng.normal(0, 0.05, n),
            "tbs_pred": rng.normal(1.31, 0.05, n),
            "trabecular_hu": 130 + 200 * (bmd - 0.92) + rng.normal(0, 40, n),
            "age_years": rng.normal(63, 11, n),
            "bmi_kg_m2": rng.normal(27, 4, n),
            "sex": np.where(rng.random(n) < 0.7, "F", "M"),
            "tbs_judged": True,
            "flagged": bmd < 0.95,
        }
    )


def test_decision_curves_of_a_good_estimate() -> None:
    """It beats HU, everybody and nobody where the decision is open, and the plotted points are consistent."""
    test = _people(400, 2)
    curves = decision_curves(_people(300, 1), test, SCALES, PARAMS)["osteoporosis"]
    share = float((test["bmd_l1_l4_g_cm2"] <= 0.772).mean())
    assert (curves.n, curves.positives) == (400, round(400 * share))
    at = curves.net_benefit["network"].x.index(0.2)
    benefit = {name: curve.y[at] for name, curve in curves.net_benefit.items()}
    assert benefit["everyone"] == pytest.approx(share - (1 - share) * 0.25, abs=1e-6)
    assert benefit["nobody"] == 0
    assert benefit["network"] > max(benefit["hu"], benefit["everyone"], 0)
    network = curves.net_benefit["network"]
    assert network.low is not None
    assert network.high is not None
    assert all(low <= y <= high for low, y, high in zip(network.low, network.y, network.high, strict=True))
    assert curves.scans["network"].y[-1] == 1.0
    assert curves.number_needed_to_scan["network"].y[-1] == pytest.approx(1 / share, rel=1e-5)
    assert curves.number_needed_to_scan["everyone"].y[0] == pytest.approx(1 / share)


def test_a_finding_that_too_few_have_gives_no_curve_but_the_reason() -> None:
    healthy = _people(100, 1)
    healthy["bmd_l1_l4_g_cm2"] += 1
    curves = decision_curves(healthy, _people(50, 2), SCALES, PARAMS)["osteoporosis"]
    assert "0 calibration patients with" in str(curves.reason)
    assert curves.net_benefit == {}
