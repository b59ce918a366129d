"""What is frozen where: on calibration patients, or with a model; never on the patients that are judged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from models.decision import outside_validated, read_rules, write_rules
from models.evaluation.report import Evaluation
from tests.small_evaluation import evaluated


def test_nothing_frozen_depends_on_the_test_patients(crops: pd.DataFrame, evaluation: Evaluation) -> None:
    changed = crops.copy()
    test = changed["split"] == "test"
    changed.loc[test, ["bmd_pred_g_cm2", "tbs_pred", "bmd_l1_l4_g_cm2", "bmd_g_cm2"]] *= 0.8
    again = evaluated(changed)
    assert again.report.frozen == evaluation.report.frozen
    assert again.rules == evaluation.rules


def test_rules_carry_what_was_frozen(evaluation: Evaluation, tmp_path: Path) -> None:
    write_rules(evaluation.rules, tmp_path / "decision.json")
    rules = read_rules(tmp_path / "decision.json")
    assert rules.cutoffs.osteopenia_bmd_g_cm2 == evaluation.report.frozen.patient["osteopenia"].value
    assert rules.vendors == ("Canon", "GE", "Philips", "Siemens")
    assert (rules.kvp_minimum, rules.kvp_maximum) == (100.0, 140.0)


def test_rules_frozen_with_a_model_leave_nothing_to_choose_here(
    crops: pd.DataFrame, evaluation: Evaluation
) -> None:
    """Another site's data: test patients only. Baselines, HU rule and curves have reasons, the network is judged."""
    report = evaluated(crops[crops["split"] == "test"], frozen_rules=evaluation.rules).report
    assert report.patient["bmd.pearson_r"] == evaluation.report.patient["bmd.pearson_r"]
    assert report.patient["osteopenia.sensitivity"] == evaluation.report.patient["osteopenia.sensitivity"]
    assert report.patient["flag.share"] == evaluation.report.patient["flag.share"]
    assert "no HU rule" in str(report.flag_rules["hu"].metrics["flag.share"].reason)
    assert "0 calibration patients" in str(report.decision_curves["osteoporosis"].reason)
    assert "no train patient" in str(report.baselines["hu"]["bmd.pearson_r"].reason)
    assert "is not known" in str(report.patient["bmd.coverage_inside_conformal_band"].reason)


def test_patients_whom_a_models_own_rules_would_not_answer_are_left_out(
    crops: pd.DataFrame, evaluation: Evaluation
) -> None:
    patient = crops.loc[crops["split"] == "test", "patient"].iloc[0]
    few = crops[(crops["patient"] != patient) | crops["level"].isin(["L1", "L2"])]
    report = evaluated(few, frozen_rules=replace(evaluation.rules, minimum_levels=3)).report
    assert report.counts.excluded["fewer than 3 evaluable levels"] == 1
    assert report.patient["flag.share"].n == 27


def test_a_vendor_without_test_patients_is_counted_and_not_validated(crops: pd.DataFrame) -> None:
    """Calibration patients freeze cut-offs; they do not show how a vendor's patients fare."""
    others = crops[(crops["vendor"] != "Canon") | (crops["split"] != "test")]
    assert set(others.loc[others["vendor"] == "Canon", "split"]) >= {"train", "calibration"}
    judged = evaluated(others)
    assert judged.report.counts.test_by_vendor["Canon"] == 0
    assert "Canon" not in judged.report.subgroups["vendor"]
    assert judged.rules.vendors == ("GE", "Philips", "Siemens")
    assert [code for code, _ in outside_validated("Canon", 120.0, judged.rules)] == ["VENDOR_UNVALIDATED"]
