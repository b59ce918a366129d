"""The paper's protocol: one cohort of exact numbers, beside the paper's table, and no acceptance."""

from __future__ import annotations

import html
from pathlib import Path

import pytest

from pipelines.study.page import PAGE
from pipelines.study.plan import paper_plan
from pipelines.study.run import run_study
from tests.pipelines.study.conftest import made_cohort, quiet


def test_the_papers_page_stands_beside_its_table(params_file: Path, tmp_path: Path) -> None:
    plan = paper_plan(params_file, "tiny-paper")
    made_cohort(tmp_path / "cohorts" / "training", plan.training, "p")
    result = run_study(plan, tmp_path, console=quiet(), vendors=False)
    assert result.kind == "paper"
    assert result.met is None
    (cohort,) = result.cohorts
    assert cohort.patients == {"train": 16, "validation": 4, "calibration": 12, "test": 8}
    (test,) = result.tests
    assert test.patients == 8
    assert result.paper["bmd.pearson_r"].value == 0.81
    # Fisher's interval of r = 0.81 with n = 52: tanh(1.1270 -+ 1.9600 / 7)
    assert result.paper["bmd.pearson_r"].low == pytest.approx(0.69, abs=0.005)
    assert result.paper["bmd.pearson_r"].high == pytest.approx(0.89, abs=0.005)
    page = html.unescape((tmp_path / PAGE).read_text())
    assert "Measured on simulated phantoms - not clinical evidence" in page
    assert "4 stop the training and 12 freeze" in page
    assert "0.81\u00a0[0.69,\u00a0" in page
    assert "requirements met" not in page
