"""A vendor that moved is named, and no other; nothing moved, nobody named. All verdicts through Evidently."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from monitoring.drift import judge
from monitoring.verdict import Status

PAIR = ("Canon", "GE")  # enough vendors for what does not depend on their number; a report costs 0.6 s


@pytest.mark.parametrize("vendor", ["Canon", "GE", "Philips", "Siemens"])
def test_ten_hu_in_one_vendor_names_that_vendor_and_no_other(month, monitor, vendor):
    verdict = judge(month(11, 40), month(12, 30, {vendor: 10.0}), monitor)
    assert verdict.named() == (vendor,)
    moved = {item.name for item in verdict.alerts[0].moved}
    assert {"soft_tissue_peak_hu", "fat_peak_hu"} <= moved
    assert f"alert for {vendor}" in verdict.words()


def test_an_ordinary_month_names_nobody(month, monitor):
    verdict = judge(month(21, 40), month(22, 30), monitor)
    assert verdict.named() == ()
    assert {item.status for item in verdict.vendors} == {Status.STABLE}
    assert verdict.words() == "no drift in 4 of 4 vendors judged"
    # and the alpha is shared over every test of every vendor
    assert verdict.tests == 40  # 4 vendors x 10 features
    assert verdict.threshold == pytest.approx(0.01 / 40)


def test_each_study_counts_once_for_each_vendor(month, monitor):
    current = month(22, 30, vendors=PAIR).sample(frac=1, random_state=0)  # vendors mixed, index out of order
    verdict = judge(month(21, 40, vendors=PAIR), current, monitor)
    assert [(item.reference_n, item.current_n) for item in verdict.vendors] == [(40, 30)] * 2
    assert {(item.reference_n, item.current_n) for item in verdict.vendors[1].features} == {(40, 30)}


def test_the_verdict_is_the_reports_own_and_quotes_its_medians(month, monitor, tmp_path: Path):
    reference, current = month(11, 40, vendors=PAIR), month(12, 30, {"GE": 10.0}, vendors=PAIR)
    verdict = judge(reference, current, monitor, out=tmp_path)
    report = json.loads((tmp_path / "GE.json").read_text())
    drifts = [item for item in report["metrics"] if item["config"]["type"].endswith("ValueDrift")]
    assert {item["config"]["method"] for item in drifts} == {"ks", "two_sample_chisquare"}
    assert {item["config"]["threshold"] for item in drifts} == {verdict.threshold}
    failed = {
        test["metric_config"]["params"]["column"] for test in report["tests"] if test["status"] == "FAIL"
    }
    assert failed == {item.name for item in verdict.alerts[0].moved}
    medians = [
        frame.loc[frame["vendor"] == "GE", "soft_tissue_peak_hu"].median() for frame in (reference, current)
    ]
    assert f"soft tissue peak {medians[0]:.1f} HU -> {medians[1]:.1f} HU" in verdict.alerts[0].words()
    assert verdict.vendors[1].report == "GE.html"
    assert "<script src=" not in (tmp_path / "GE.html").read_text()


def test_a_vendor_that_the_reference_lacks_is_an_alert(month, monitor):
    current = month(22, 30, vendors=PAIR)
    current.loc[current["vendor"] == "Canon", "vendor"] = "HITACHI"
    verdict = judge(month(21, 40, vendors=PAIR), current, monitor)
    assert verdict.named() == ("HITACHI",)
    statuses = {item.vendor: item.status for item in verdict.vendors}
    assert statuses == {
        "HITACHI": Status.NEW_VENDOR,
        "Canon": Status.NOT_JUDGED,
        "GE": Status.STABLE,
    }
    assert "no study in the current period" in verdict.vendors[0].words()


def test_a_single_study_of_a_new_vendor_is_enough(month, monitor):
    current = month(23, 1, vendors=("NEUSOFT",))
    assert judge(month(21, 40, vendors=PAIR), current, monitor).named() == ("NEUSOFT",)


def test_too_few_studies_are_not_judged_even_when_shifted(month, monitor):
    current = month(22, 19, {"GE": 40.0}, vendors=("GE",))
    (verdict,) = judge(month(21, 40, vendors=("GE",)), current, monitor).vendors
    assert verdict.status is Status.NOT_JUDGED
    assert "19 studies against 40; at least 20 needed" in verdict.words()


def test_an_empty_period_judges_nobody_and_says_so(month, monitor):
    reference = month(21, 40)
    verdict = judge(reference, reference.iloc[:0], monitor)
    assert {item.status for item in verdict.vendors} == {Status.NOT_JUDGED}
    assert verdict.words() == "no vendor could be judged"
    assert judge(reference.iloc[:0], reference.iloc[:0], monitor).vendors == ()
    assert judge(reference.iloc[:0], month(22, 30), monitor).named() == (
        "Canon",
        "GE",
        "Philips",
        "Siemens",
    )


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_feature_that_vanishes_is_drift(month, monitor, value):
    current = month(22, 30, vendors=("GE",))
    current["noise_hu"] = value
    (verdict,) = judge(month(21, 40, vendors=("GE",)), current, monitor).vendors
    assert verdict.status is Status.DRIFT
    assert "noise missing 0 of 40 -> 30 of 30" in verdict.words()
    assert [item.name for item in verdict.features if item.p_value is None] == ["noise_hu"]


def test_a_feature_without_values_on_either_side_is_named_as_untested(month, monitor):
    reference, current = month(21, 40, vendors=("GE",)), month(22, 30, vendors=("GE",))
    reference["fat_peak_hu"] = np.nan
    current["fat_peak_hu"] = np.nan
    (verdict,) = judge(reference, current, monitor).vendors
    assert verdict.status is Status.STABLE
    assert "not tested: fat peak" in verdict.words()


def test_another_tube_voltage_alone_is_named(month, monitor):
    current = month(22, 30, vendors=("Philips",))
    current["kvp"] = 80.0  # a category the reference never had
    (verdict,) = judge(month(21, 40, vendors=("Philips",)), current, monitor).vendors
    assert [item.name for item in verdict.moved] == ["kvp"]
    assert "80 kV in 100%" in verdict.words()


def test_a_missing_column_is_a_programming_error(month, monitor):
    with pytest.raises(ValueError, match=r"current period without column\(s\) tbs"):
        judge(month(21, 40), month(22, 30).drop(columns="tbs"), monitor)


def test_file_names_come_from_free_text_vendors_safely(month, monitor, tmp_path: Path):
    names = {"GE": "../../etc", "Canon": "index", "Philips": "a/b", "Siemens": "a b"}
    frames = []
    for seed, count in ((21, 40), (22, 30)):
        frame = month(seed, count)
        frame["vendor"] = frame["vendor"].map(names)
        frames.append(frame)
    verdict = judge(*frames, monitor, out=tmp_path)
    assert sorted(item.report for item in verdict.vendors) == [
        "a_b.html",
        "a_b_2.html",
        "etc.html",
        "index_2.html",
    ]
    assert all((tmp_path / item.report).is_file() for item in verdict.vendors)


def test_a_workspace_holds_one_project_per_vendor_and_a_run_per_month(month, monitor, tmp_path: Path):
    from evidently.ui.workspace import Workspace

    reference = month(21, 40, vendors=PAIR)
    for seed in (22, 23):
        judge(reference, month(seed, 30, vendors=PAIR), monitor, workspace=tmp_path / "evidently")
    workspace = Workspace(str(tmp_path / "evidently"))
    projects = {project.name: project for project in workspace.list_projects()}
    assert set(projects) == {"OsteoGate drift: Canon", "OsteoGate drift: GE"}
    assert {len(workspace.list_runs(project.id)) for project in projects.values()} == {2}
