"""A study from its cohorts to its page: judged apart, kept by stage, refused where people are shared."""

from __future__ import annotations

import html
import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.crop_store import open_crop_store
from pipelines.study.judged import PatientsSharedError
from pipelines.study.page import FACTS, PAGE
from pipelines.study.run import run_study
from pipelines.study.study_file import StudyResult
from pipelines.study.unmet import RequirementsUnmetError, refuse_unmet
from tests.pipelines.study.conftest import Study, other_training, quiet


@pytest.fixture(scope="module")
def result(tiny_study: Study) -> StudyResult:
    log = tiny_study.out / "looks.jsonl"
    return run_study(tiny_study.plan, tiny_study.out, console=quiet(), vendors=False, look_log=log)


def test_the_look_at_the_test_cohort_is_logged_and_printed(tiny_study: Study, result: StudyResult) -> None:
    (line,) = (tiny_study.out / "looks.jsonl").read_text().splitlines()
    assert len(json.loads(line)["patients"]) == 40
    assert [test.test_looks for test in result.tests] == [1]
    assert (
        "looked at 1 time, this one included"
        in (tiny_study.out / "evaluations" / "seed-101" / "report.html").read_text()
    )
    assert "looked at, this time included: seed 101 1." in (tiny_study.out / PAGE).read_text()


def test_each_test_cohort_is_judged_by_itself(tiny_study: Study, result: StudyResult) -> None:
    assert [test.name for test in result.tests] == ["seed 101"]
    for test in result.tests:
        assert test.patients == 40
        table = pd.read_parquet(
            tiny_study.out / "predictions" / test.name.replace(" ", "-") / "predictions.parquet"
        )
        people = table.groupby("patient")[["bmd_pred_g_cm2", "bmd_l1_l4_g_cm2"]].mean()
        r = np.corrcoef(people["bmd_pred_g_cm2"], people["bmd_l1_l4_g_cm2"])[0, 1]
        named = {item.name: item for item in test.requirements}
        assert named["bmd.pearson_r"].measured.value == pytest.approx(r)
        hu = table.groupby("patient")["trabecular_hu"].mean()
        of_hu = np.corrcoef(hu, people["bmd_l1_l4_g_cm2"])[0, 1]
        # a regression on one quantity correlates as the quantity itself
        assert named["gain.hu.bmd.pearson_r"].measured.value == pytest.approx(r - of_hu, abs=1e-6)


def test_cutoffs_and_intervals_are_those_of_the_calibration_cohort(
    tiny_study: Study, result: StudyResult
) -> None:
    table = pd.read_parquet(tiny_study.out / "predictions" / "calibration" / "predictions.parquet")
    people = table.groupby("patient")[["bmd_pred_g_cm2", "bmd_l1_l4_g_cm2"]].mean()
    errors = (people["bmd_pred_g_cm2"] - people["bmd_l1_l4_g_cm2"]).abs().sort_values().to_numpy()
    assert len(errors) == 20
    half_width = errors[18]  # split conformal: the ceil(21 * 0.9) = 19th smallest of 20
    for name in ("seed-101",):
        report = json.loads((tiny_study.out / "evaluations" / name / "report.json").read_text())
        assert report["frozen"]["bmd_half_width_g_cm2"] == pytest.approx(half_width)
        tests = pd.read_parquet(tiny_study.out / "predictions" / name / "predictions.parquet")
        of_test = tests.groupby("patient")[["bmd_pred_g_cm2", "bmd_l1_l4_g_cm2"]].mean()
        held = (of_test["bmd_pred_g_cm2"] - of_test["bmd_l1_l4_g_cm2"]).abs() <= half_width
        covered = next(test for test in result.tests if test.name.replace(" ", "-") == name)
        assert covered.metrics["bmd.interval_coverage"].value == pytest.approx(held.mean())


def test_the_ceiling_is_there_and_is_hard_to_beat(result: StudyResult) -> None:
    for test in result.tests:
        assert test.baselines["ceiling"]["bmd.pearson_r"].value > 0.95  # vBMD with a little noise, as made
        assert {item.name for item in test.requirements} >= {"bmd.share_of_ceiling", "tbs.share_of_ceiling"}


def test_without_vendors_left_out_the_study_is_not_met(result: StudyResult) -> None:
    assert result.met is False
    with pytest.raises(RequirementsUnmetError, match="leaving a vendor out was not judged") as failure:
        refuse_unmet(result)
    assert failure.value.exit_code == 7
    refuse_unmet(result.model_copy(update={"met": True}))
    assert result.left_out == ()


def test_a_study_interrupted_while_vendors_are_left_out_has_a_page(
    tiny_study: Study, result: StudyResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*words: object, **more: object) -> None:
        raise KeyboardInterrupt

    page, facts = tiny_study.out / PAGE, tiny_study.out / FACTS
    kept = {file: file.read_bytes() for file in (page, facts)}
    for file in kept:
        file.unlink()
    monkeypatch.setattr("pipelines.study.run.leave_vendor_out", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_study(tiny_study.plan, tiny_study.out, console=quiet())
    told = StudyResult.model_validate_json(facts.read_text())
    assert told.met is None
    assert told.tests[0].metrics == result.tests[0].metrics
    assert "leaving a vendor out was not judged" in page.read_text()
    for file, whole in kept.items():
        file.write_bytes(whole)


def test_the_page_is_self_contained_and_says_what_it_was_measured_on(
    tiny_study: Study, result: StudyResult
) -> None:
    page = html.unescape((tiny_study.out / PAGE).read_text())
    assert "Measured on simulated phantoms - not clinical evidence" in page
    assert "leaving a vendor out was not judged" in page
    for item in result.tests[0].requirements:
        assert item.title in page

    class Links(HTMLParser):
        found: list[str] = []  # noqa: RUF012 - of one parse

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.found += [str(value) for name, value in attrs if name in ("src", "href")]

    parser = Links()
    parser.feed(page)
    assert parser.found
    assert all(link.startswith("data:") for link in parser.found)
    assert "<script" not in page
    again = StudyResult.model_validate_json((tiny_study.out / FACTS).read_text())
    assert again == result
    assert "simulated" in again.statement


@pytest.mark.long
def test_a_study_that_is_run_again_trains_and_predicts_nothing(
    tiny_study: Study, result: StudyResult, tmp_path: Path
) -> None:
    def times() -> dict[Path, int]:
        kept = [*tiny_study.out.glob("model/**/*"), *tiny_study.out.glob("predictions/**/*")]
        return {path: path.stat().st_mtime_ns for path in kept if path.is_file()}

    before = times()
    log = tmp_path / "looks.jsonl"
    again = run_study(tiny_study.plan, tiny_study.out, console=quiet(), vendors=False, look_log=log)
    assert again == result
    assert times() == before


@pytest.mark.long
def test_other_parameters_train_anew_and_a_torn_stage_is_done_again(
    tiny_study: Study, result: StudyResult, tmp_path: Path
) -> None:
    weights = result.model["weights_sha256"]
    other = run_study(other_training(tiny_study, epochs=3), tiny_study.out, console=quiet(), vendors=False)
    assert other.model["weights_sha256"] != weights
    (tiny_study.out / "model" / "stage.json").write_text('{"key": ')
    log = tmp_path / "looks.jsonl"
    back = run_study(tiny_study.plan, tiny_study.out, console=quiet(), vendors=False, look_log=log)
    assert back.model["weights_sha256"] == weights  # the same training, to the bit
    assert back == result


def test_a_patient_in_two_cohorts_is_refused(tiny_study: Study, result: StudyResult) -> None:
    training = open_crop_store(tiny_study.out / "cohorts" / "training" / "crops").index
    file = tiny_study.out / "cohorts" / "seed-101" / "crops" / "index.parquet"
    whole = file.read_bytes()
    index = pd.read_parquet(file)
    index["patient"] = index["patient"].replace(index["patient"].iloc[0], training["patient"].iloc[0])
    index.to_parquet(file, index=False)
    try:
        with pytest.raises(PatientsSharedError, match="1 patients are in cohort training and in cohort seed"):
            run_study(tiny_study.plan, tiny_study.out, console=quiet(), vendors=False)
    finally:
        file.write_bytes(whole)
