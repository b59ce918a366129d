"""The whole evaluation on believable patients: what is frozen where, what adds up, what degenerates how."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from models.bone_reference import ScalesParams
from models.crop_store import CropGeometry
from models.decision import Versions, read_rules, write_rules
from models.evaluation.answers import DataIdentity
from models.evaluation.calibration import CalibrationError
from models.evaluation.correlation import fisher_interval
from models.evaluation.figures import draw_figures
from models.evaluation.html import render
from models.evaluation.report import Evaluation, TestSetEmptyError, evaluate
from models.evaluation.report_file import ModelIdentity, ReportError, read_report, write_report
from models.evaluation.settings import EvaluateParams
from models.evaluation.tables import PredictionTableError, measured_tables
from models.params import load_section
from tests import simulated_predictions as simulated

PARAMS_FILE = Path(__file__).resolve().parents[3] / "params.yaml"
SCALES = load_section(PARAMS_FILE, "scales", ScalesParams)
PARAMS = load_section(PARAMS_FILE, "evaluate", EvaluateParams).model_copy(update={"bootstrap_draws": 100})
DATA = DataIdentity(
    "simulated",
    "v1",
    CropGeometry(pixels=96, size_mm=64.0, slices=3, slice_spacing_mm=2.0, centre_shift_mm=6.0),
)


def _evaluate(crops: pd.DataFrame, params: EvaluateParams = PARAMS) -> Evaluation:
    return evaluate(
        crops,
        data=DATA,
        model=ModelIdentity(weights_sha256="0" * 64, version="000000000000"),
        versions=Versions("v1", "c", "p", "m"),
        scales=SCALES,
        params=params,
    )


@pytest.fixture(scope="module")
def crops() -> pd.DataFrame:
    return simulated.crops(1, simulated.of_quality(0.87, 0.55))


@pytest.fixture(scope="module")
def evaluation(crops: pd.DataFrame) -> Evaluation:
    return _evaluate(crops)


@pytest.fixture(scope="module")
def figures(evaluation: Evaluation) -> dict[str, str]:
    return draw_figures(evaluation, SCALES)


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


def test_nothing_frozen_depends_on_the_test_patients(crops: pd.DataFrame, evaluation: Evaluation) -> None:
    changed = crops.copy()
    test = changed["split"] == "test"
    changed.loc[test, ["bmd_pred_g_cm2", "tbs_pred", "bmd_l1_l4_g_cm2", "bmd_g_cm2"]] *= 0.8
    again = _evaluate(changed)
    assert again.report.frozen == evaluation.report.frozen
    assert again.rules == evaluation.rules


def test_vertebra_intervals_are_wider_than_if_vertebrae_were_patients(evaluation: Evaluation) -> None:
    metric = evaluation.report.vertebra["bmd.pearson_r"]
    assert metric.n == 112
    assert metric.value is not None
    assert metric.low is not None
    assert metric.high is not None
    low, high = fisher_interval(metric.value, 112)
    assert metric.high - metric.low > high - low


def test_baselines_are_fitted_on_train_patients_only(crops: pd.DataFrame, evaluation: Evaluation) -> None:
    people = crops.groupby("patient").agg("first")
    train, test = people[people["split"] == "train"], people[people["split"] == "test"]
    theirs = LinearRegression().fit(train[["trabecular_hu"]], train["bmd_l1_l4_g_cm2"])
    expected = np.abs(theirs.predict(test[["trabecular_hu"]]) - test["bmd_l1_l4_g_cm2"]).mean()
    assert evaluation.report.baselines["hu"]["bmd.mae_g_cm2"].value == pytest.approx(expected)


def test_a_good_network_gains_on_age_and_sex_and_on_hu(evaluation: Evaluation) -> None:
    for baseline in ("age_sex", "hu"):
        gain = evaluation.report.gains[baseline]["bmd.pearson_r"]
        assert gain.low is not None
        assert gain.low > 0


def test_the_constant_baseline_has_no_r_and_no_gain_but_errors(evaluation: Evaluation) -> None:
    assert evaluation.report.baselines["constant"]["bmd.pearson_r"].value is None
    assert evaluation.report.gains["constant"]["bmd.pearson_r"].value is None
    assert evaluation.report.baselines["constant"]["bmd.mae_g_cm2"].value is not None


@pytest.mark.parametrize(("lacking", "judged"), [(1, True), (10, False)])
def test_a_covariate_that_few_lack_leaves_them_out_and_one_that_many_lack_takes_the_baseline_away(
    crops: pd.DataFrame, lacking: int, judged: bool
) -> None:
    crops = crops.copy()
    who = crops.loc[crops["split"] == "test", "patient"].unique()[:lacking]
    crops.loc[crops["patient"].isin(who), "bmi_kg_m2"] = np.nan
    report = _evaluate(crops).report
    metric = report.baselines["hu_age_sex_bmi"]["bmd.pearson_r"]
    if judged:
        assert metric.n == report.gains["hu_age_sex_bmi"]["bmd.pearson_r"].n == 27
    else:
        assert "10 calibration or test patients lack one of" in str(metric.reason)
    assert report.baselines["hu"]["bmd.pearson_r"].n == 28


def test_a_constant_model_gives_reasons_and_never_a_silent_zero(tmp_path: Path) -> None:
    evaluation = _evaluate(simulated.crops(2, simulated.constant))
    metric = evaluation.report.patient["tbs.pearson_r"]
    assert (metric.value, metric.reason) == (None, "the predictions are constant")
    write_report(evaluation.report, tmp_path / "report.json")
    written = json.loads((tmp_path / "report.json").read_text())
    assert written["patient"]["tbs.pearson_r"]["value"] is None
    page = render(evaluation.report, draw_figures(evaluation, SCALES))
    assert "not defined: the predictions are constant" in page


def test_nobody_with_the_finding_gives_reasons(crops: pd.DataFrame) -> None:
    healthy = crops.copy()
    healthy["bmd_l1_l4_g_cm2"] += 1.0
    healthy["bmd_g_cm2"] += 1.0
    report = _evaluate(healthy).report
    assert report.patient["osteoporosis.auc"].value is None
    assert report.patient["osteoporosis.sensitivity"].value is None
    assert report.vertebra["osteoporosis.auc"].value is None
    assert report.frozen.patient["osteoporosis"].value == 0.772


def test_patients_with_one_level_are_left_out_and_counted(crops: pd.DataFrame) -> None:
    patient = crops.loc[crops["split"] == "test", "patient"].iloc[0]
    report = _evaluate(crops[(crops["patient"] != patient) | (crops["level"] == "L1")]).report
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
        _evaluate(spoil(crops))


def test_without_test_or_calibration_patients_nothing_is_judged(crops: pd.DataFrame) -> None:
    with pytest.raises(TestSetEmptyError):
        _evaluate(crops[crops["split"] != "test"])
    with pytest.raises(CalibrationError, match="0 calibration patients"):
        _evaluate(crops[crops["split"] != "calibration"])


def test_crops_of_a_vertebra_are_averaged_before_vertebrae_are(crops: pd.DataFrame) -> None:
    """Three crops of L1 must not count three times as much as one of L2."""
    l1 = crops[crops["level"] == "L1"]
    once = measured_tables(crops, 2).patients
    thrice = measured_tables(pd.concat([crops, l1, l1], ignore_index=True), 2).patients
    pd.testing.assert_frame_equal(once, thrice)


def test_rules_carry_what_was_frozen(evaluation: Evaluation, tmp_path: Path) -> None:
    write_rules(evaluation.rules, tmp_path / "decision.json")
    rules = read_rules(tmp_path / "decision.json")
    assert rules.cutoffs.osteopenia_bmd_g_cm2 == evaluation.report.frozen.patient["osteopenia"].value
    assert rules.vendors == ("Canon", "GE", "Philips", "Siemens")
    assert (rules.kvp_minimum, rules.kvp_maximum) == (100.0, 140.0)


def test_the_page_is_self_contained_and_says_what_the_numbers_are(
    evaluation: Evaluation, figures: dict[str, str]
) -> None:
    page = render(evaluation.report, figures)
    assert "Measured on simulated phantoms - not clinical evidence" in page
    assert "Does not rule out low bone density" in page
    assert page.count("data:image/svg+xml;base64,") == len(figures)
    for fetched in ("<script", "http://", "https://", "@import", 'src="figures'):
        assert fetched not in page
    assert evaluation.report.patient["bmd.pearson_r"].words(2).replace(", ", ",\u00a0") in page
    assert "0.81 [0.69,\u00a00.89]" in page


def test_figures_are_the_same_for_the_same_data(evaluation: Evaluation, figures: dict[str, str]) -> None:
    assert draw_figures(evaluation, SCALES) == figures


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema_version": 0}, "schema 0"),
        ({"schema_version": 1}, "schema 1"),
        ({"patient": None}, "patient"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_reports_of_another_form_are_refused(
    evaluation: Evaluation, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    document = json.loads(evaluation.report.model_dump_json()) | change
    (tmp_path / "report.json").write_text(json.dumps(document))
    with pytest.raises(ReportError, match=words):
        read_report(tmp_path / "report.json")


def test_a_report_comes_back_as_it_was_written(evaluation: Evaluation, tmp_path: Path) -> None:
    write_report(evaluation.report, tmp_path / "report.json")
    assert read_report(tmp_path / "report.json") == evaluation.report


@pytest.mark.parametrize("constant", ["NaN", "Infinity"])
def test_nan_in_a_report_is_refused(evaluation: Evaluation, tmp_path: Path, constant: str) -> None:
    document = json.loads(evaluation.report.model_dump_json())
    document["patient"]["bmd.pearson_r"]["low"] = float(constant)
    (tmp_path / "report.json").write_text(json.dumps(document))
    with pytest.raises(ReportError, match=f"{constant}, which is not a number"):
        read_report(tmp_path / "report.json")


def test_tbs_outside_its_bmi_range_is_counted_and_touches_no_tbs_metric(
    crops: pd.DataFrame, evaluation: Evaluation
) -> None:
    heavy = crops.copy()
    who = crops.loc[crops["split"] == "test", "patient"].unique()[:3]
    heavy.loc[heavy["patient"].isin(who), "bmi_kg_m2"] = 40.0
    heavy.loc[heavy["patient"] == who[2], "bmi_kg_m2"] = np.nan
    report = _evaluate(heavy).report
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
    again = _evaluate(spoilt).report
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


def test_rules_frozen_with_a_model_leave_nothing_to_choose_here(
    crops: pd.DataFrame, evaluation: Evaluation
) -> None:
    """Another site's data: test patients only. Baselines, HU rule and curves have reasons, the network is judged."""
    report = evaluate(
        crops[crops["split"] == "test"],
        data=DATA,
        model=ModelIdentity(weights_sha256="0" * 64, version="000000000000"),
        versions=Versions("v1", "c", "p", "m"),
        scales=SCALES,
        params=PARAMS,
        frozen_rules=evaluation.rules,
    ).report
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
    report = evaluate(
        few,
        data=DATA,
        model=ModelIdentity(weights_sha256="0" * 64, version="000000000000"),
        versions=Versions("v1", "c", "p", "m"),
        scales=SCALES,
        params=PARAMS,
        frozen_rules=replace(evaluation.rules, minimum_levels=3),
    ).report
    assert report.counts.excluded["fewer than 3 evaluable levels"] == 1
    assert report.patient["flag.share"].n == 27
