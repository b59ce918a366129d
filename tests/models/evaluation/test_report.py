"""The whole evaluation on believable patients: what adds up, what degenerates how."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.evaluation.calibration import CalibrationError
from models.evaluation.correlation import fisher_interval
from models.evaluation.figures import draw_figures
from models.evaluation.html import render
from models.evaluation.report import Evaluation, TestSetEmptyError
from models.evaluation.report_file import write_report
from models.evaluation.tables import PredictionTableError, measured_tables
from tests import simulated_predictions as simulated
from tests.small_evaluation import SCALES, evaluated


def test_patient_metrics_are_those_of_level_means_against_the_exam_total(
    crops: pd.DataFrame, evaluation: Evaluation
) -> None:
    test = crops[crops["split"] == "test"].groupby("patient")[["bmd_pred_g_cm2", "bmd_l1_l4_g_cm2"]].mean()
    estimate, truth = test["bmd_pred_g_cm2"], test["bmd_l1_l4_g_cm2"]
    metrics = evaluation.report.patient
    assert metrics["bmd.pearson_r"].value == pytest.approx(np.corrcoef(estimate, truth)[0, 1])
    assert metrics["bmd.mae_g_cm2"].value == pytest.approx((estimate - truth).abs().mean())
    assert metrics["osteopenia.auc"].positives == int((truth <= 0.937).sum())


def test_counts_add_up(evaluation: Evaluation) -> None:
    counts = evaluation.report.counts
    assert counts.patients == simulated.SPLIT_COUNTS
    assert counts.vertebrae == {split: 4 * n for split, n in simulated.SPLIT_COUNTS.items()}
    assert sum(counts.test_by_vendor.values()) == counts.judged_patients["test"] == 28
    assert {
        vendor: metrics["bmd.bias_g_cm2"].n for vendor, metrics in evaluation.report.by_vendor.items()
    } == (counts.test_by_vendor)


def test_vertebra_intervals_are_wider_than_if_vertebrae_were_patients(evaluation: Evaluation) -> None:
    metric = evaluation.report.vertebra["bmd.pearson_r"]
    assert metric.n == 112
    assert metric.value is not None
    assert metric.low is not None
    assert metric.high is not None
    low, high = fisher_interval(metric.value, 112)
    assert metric.high - metric.low > high - low


def test_a_constant_model_gives_reasons_and_never_a_silent_zero(tmp_path: Path) -> None:
    evaluation = evaluated(simulated.crops(2, simulated.constant))
    metric = evaluation.report.patient["tbs.pearson_r"]
    assert (metric.value, metric.reason) == (None, "the predictions are constant")
    write_report(evaluation.report, tmp_path / "report.json")
    written = json.loads((tmp_path / "report.json").read_text())
    assert written["patient"]["tbs.pearson_r"]["value"] is None
    page = render(evaluation.report, draw_figures(evaluation, SCALES))
    assert "not defined: the predictions are constant" in page


def test_test_patients_with_one_reference_value_give_reasons(crops: pd.DataFrame) -> None:
    """Calibration patients differ, so the table is accepted; test patients have 0.9 and 1.3 throughout."""
    same = crops.copy()
    totals = {"bmd_l1_l4_g_cm2": 0.9, "tbs_l1_l4": 1.3}
    same.loc[same["split"] == "test", list(totals)] = list(totals.values())
    evaluation = evaluated(same)
    metrics = evaluation.report.patient
    for name in (
        "bmd.pearson_r", "bmd.calibration_slope", "bmd.calibration_intercept_g_cm2", "tbs.calibration_slope",
    ):  # fmt: skip
        assert metrics[name].reason == "the reference values are constant"
    assert metrics["tbs.partial_r_given_hu"].reason == "one of the three variables is constant"
    assert metrics["bmd.bias_g_cm2"].value is not None
    assert "the reference values are constant" in render(evaluation.report, draw_figures(evaluation, SCALES))


def test_nobody_with_the_finding_gives_reasons(crops: pd.DataFrame) -> None:
    healthy = crops.copy()
    healthy["bmd_l1_l4_g_cm2"] += 1.0
    healthy["bmd_g_cm2"] += 1.0
    report = evaluated(healthy).report
    assert report.patient["osteoporosis.auc"].value is None
    assert report.patient["osteoporosis.sensitivity"].value is None
    assert report.vertebra["osteoporosis.auc"].value is None
    assert report.frozen.patient["osteoporosis"].value == 0.772


def test_patients_with_one_level_are_left_out_and_counted(crops: pd.DataFrame) -> None:
    patient = crops.loc[crops["split"] == "test", "patient"].iloc[0]
    report = evaluated(crops[(crops["patient"] != patient) | (crops["level"] == "L1")]).report
    assert report.counts.excluded["fewer than 2 evaluable levels"] == 1
    assert report.counts.patients["test"] - report.counts.judged_patients["test"] == 1


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda crops: crops.drop(columns="tbs_pred"), "tbs_pred"),
        (lambda crops: crops.assign(tbs_pred=np.nan), "no number"),
        (
            lambda crops: crops.assign(split=np.where(crops["level"] == "L1", "train", crops["split"])),
            "more than one split",
        ),
    ],
)
def test_damaged_predictions_are_refused(crops: pd.DataFrame, spoil: Any, words: str) -> None:
    with pytest.raises(PredictionTableError, match=words):
        evaluated(spoil(crops))


def test_without_test_or_calibration_patients_nothing_is_judged(crops: pd.DataFrame) -> None:
    with pytest.raises(TestSetEmptyError):
        evaluated(crops[crops["split"] != "test"])
    with pytest.raises(CalibrationError, match="0 calibration patients"):
        evaluated(crops[crops["split"] != "calibration"])


def test_crops_of_a_vertebra_are_averaged_before_vertebrae_are(crops: pd.DataFrame) -> None:
    """Three crops of L1 must not count three times as much as one of L2."""
    l1 = crops[crops["level"] == "L1"]
    once = measured_tables(crops, 2).patients
    thrice = measured_tables(pd.concat([crops, l1, l1], ignore_index=True), 2).patients
    pd.testing.assert_frame_equal(once, thrice)


def test_tbs_outside_its_bmi_range_is_counted_and_touches_no_tbs_metric(
    crops: pd.DataFrame, evaluation: Evaluation
) -> None:
    heavy = crops.copy()
    who = crops.loc[crops["split"] == "test", "patient"].unique()[:3]
    heavy.loc[heavy["patient"].isin(who), "bmi_kg_m2"] = 40.0
    heavy.loc[heavy["patient"] == who[2], "bmi_kg_m2"] = np.nan
    report = evaluated(heavy).report
    was = evaluation.report.counts.tbs_not_judged["BMI outside 15 to 37 kg/m2"]
    already = int((crops.drop_duplicates("patient").set_index("patient").loc[who, "bmi_kg_m2"] > 37).sum())
    assert report.counts.tbs_not_judged == {
        "BMI outside 15 to 37 kg/m2": was - already + 2,
        "BMI not known": 1,
    }
    judged = 28 - sum(report.counts.tbs_not_judged.values())
    assert report.counts.tbs_judged_patients["test"] == judged
    for name in ("tbs.pearson_r", "tbs.interval_coverage", "impaired_tbs.auc"):
        assert report.patient[name].n == judged
    assert report.patient["bmd.pearson_r"].n == 28
    spoilt = heavy.copy()
    spoilt.loc[spoilt["patient"].isin(who), "tbs_pred"] = 0.9
    again = evaluated(spoilt).report
    assert again.patient["tbs.pearson_r"] == report.patient["tbs.pearson_r"]
    assert again.patient["impaired_tbs.auc"] == report.patient["impaired_tbs.auc"]


def test_groups_hold_every_test_patient_once_and_small_ones_only_their_number(evaluation: Evaluation) -> None:
    groups = evaluation.report.subgroups
    assert set(groups) == {"vendor", "kernel_class", "sex", "slice_thickness", "kvp", "age", "bmi"}
    for of_dimension in groups.values():
        assert sum(group.n for group in of_dimension.values()) == 28
        for group in of_dimension.values():
            if group.n < 10:
                assert group.metrics == {}
                assert group.reason == f"too few: {group.n} patients, 10 needed"
            else:
                assert group.metrics["bmd.mae_g_cm2"].n == group.n
                assert "bmd.interval_coverage" in group.metrics
                assert "flag.sensitivity" in group.metrics
                assert "bmd.r_difference" in group.metrics
    assert any(group.n < 10 for group in groups["vendor"].values())
    assert any(group.metrics for group in groups["sex"].values())


def test_alternative_cuts_are_judged_and_decide_nothing(evaluation: Evaluation) -> None:
    report = evaluation.report
    assert {name: found.reference_cut for name, found in report.alternatives.items()} == pytest.approx(
        {
            "degraded_tbs": 1.23,
            "tbs_below_1_20": 1.20,
            "tbs_below_1_35": 1.35,
            "yam_osteoporosis": 0.7 * 1.047,  # no Japanese mean is set: the reference's own peak, and said
            "yam_low_bone_mass": 0.8 * 1.047,
        }
    )
    assert any("no Japanese mean is set" in note for note in report.notes)
    truth = evaluation.tables.patients.query("split == 'test'")["bmd_l1_l4_g_cm2"]
    low = report.alternatives["yam_low_bone_mass"].metrics
    assert low["auc"].positives == int((truth < 0.8 * 1.047).sum())
    assert set(low) == {"auc", "sensitivity", "specificity", "ppv", "npv"}
    assert set(report.frozen.alternatives) == set(report.alternatives)


def test_everything_of_a_small_test_set_is_a_number_or_a_reason(evaluation: Evaluation) -> None:
    report = evaluation.report
    every = {
        **report.patient,
        **report.vertebra,
        **{f"{v}.{k}": m for v, group in report.by_vendor.items() for k, m in group.items()},
        **{f"{b}.{k}": m for b, group in report.gains.items() for k, m in group.items()},
        **{f"{r}.{k}": m for r, rule in report.flag_rules.items() for k, m in rule.metrics.items()},
    }
    for name, metric in every.items():
        assert (metric.value is None) == (metric.reason is not None), name
    assert "too few" in str(report.patient["worst_vendor.bmd.bias_g_cm2"].reason)
    assert report.patient["bmd.coverage_inside_conformal_band"].value in (0.0, 1.0)
    assert report.vertebra["bmd.calibration_slope"].method == "bootstrap over patients"
    assert report.paper_protocol is not None
    assert "optimistic" in report.paper_protocol.says
