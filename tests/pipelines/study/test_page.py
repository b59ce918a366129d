"""The study's page says whose patients it is about, in its title and in every figure, and no more of its ceiling."""

from __future__ import annotations

import html
import re
from typing import Literal

import pytest

from models.evaluation.metric import Metric
from models.evaluation.report import STATEMENTS
from pipelines.study.figures import draw
from pipelines.study.page import render
from pipelines.study.study_file import StudyResult, TestResult
from pipelines.study.vendor_left_out import VendorLeftOut


def _metric(value: float) -> Metric:
    return Metric(value=value, low=value - 0.02, high=value + 0.02, n=40, method="by hand")


def _result(kind: Literal["study", "leave one vendor out"], statement: str) -> StudyResult:
    r = {f"{target}.pearson_r": _metric(0.9) for target in ("bmd", "tbs")}
    both = {target: _metric(0.9) for target in ("bmd", "tbs")}
    left_out = VendorLeftOut(
        vendor="GE",
        patients=40,
        train_patients=120,
        left_out=both,
        full=both,
        difference=dict.fromkeys(both, _metric(0.0)),
    )
    test = TestResult(
        name="seed 1",
        patients=40,
        requirements=(),
        metrics=r,
        baselines={"hu": r, "ceiling": r},
        gains={"hu": r},
        by_vendor={},
    )
    return StudyResult(
        statement=statement,
        kind=kind,
        profile="study",
        protocol="by hand",
        met=None,
        cohorts=(),
        model={"train_patients": 140, "validation_patients": 20},
        tests=(test,) if kind == "study" else (),
        left_out=(left_out,),
    )


@pytest.mark.parametrize("data_kind", ["simulated", "site"])
def test_title_and_figures_say_whose_patients_they_are(data_kind: str) -> None:
    statement = STATEMENTS[data_kind]
    result = _result("leave one vendor out", statement)
    title = re.search("<title>(.*?)</title>", render(result, {}))
    assert title is not None
    assert ("simulated" in title[1]) == (data_kind == "simulated")
    figures = draw(result)
    assert len(figures) == 1
    assert all(html.escape(statement, quote=False) in svg for svg in figures.values())


def test_both_figures_of_a_study_carry_the_statement() -> None:
    result = _result("study", STATEMENTS["simulated"])
    figures = draw(result)
    assert len(figures) == 2
    assert all(result.statement in svg for svg in figures.values())


def test_the_ceiling_is_called_what_it_is() -> None:
    page = html.unescape(render(_result("study", STATEMENTS["simulated"]), {}))
    assert "linear regression on the phantoms' drawn parameters" in page
    assert "not a strict bound" in page
    assert "no image shows" not in page
