"""The findings in sentences: each says the number of its own metric, and is there only where it holds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from statsmodels.api import OLS, add_constant

from models.evaluation.correlation import fisher_interval
from models.evaluation.flag_counts import flag_counts
from models.evaluation.html import spoken
from models.evaluation.metric import Metric
from models.evaluation.plain_words import brackets, plain_words, whom
from models.evaluation.report import Evaluation
from models.evaluation.report_file import EvaluationReport, Subgroup, read_report
from tests import simulated_predictions as simulated
from tests.page_tables import SHARES, sentence_of
from tests.small_evaluation import evaluated

COUNTS = simulated.SPLIT_COUNTS | {"test": 80}


def _crops() -> pd.DataFrame:
    """Every fifth patient has a BMI that TBS is not judged at."""
    crops = simulated.crops(1, simulated.of_quality(0.87, 0.55), COUNTS)
    heavy = crops["patient"].map(lambda name: int(name, 16)) % 5 == 0
    return crops.assign(bmi_kg_m2=crops["bmi_kg_m2"].mask(heavy, 40.0))


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return evaluated(_crops())


@pytest.fixture(scope="module")
def report(evaluation: Evaluation) -> EvaluationReport:
    return evaluation.report


@pytest.fixture(scope="module")
def people(evaluation: Evaluation) -> pd.DataFrame:
    return evaluation.tables.patients.query("split == 'test'")


def _metric(value: float, low: float, high: float, n: int = 160) -> Metric:
    return Metric(value=value, low=low, high=high, n=n, method="by hand")


def _said(report: EvaluationReport, words: str) -> list[str]:
    return [sentence for sentence in plain_words(report) if words in sentence]


@pytest.mark.parametrize("name", SHARES.values())
def test_a_share_is_said_with_its_own_metric(report: EvaluationReport, name: str) -> None:
    assert len(_said(report, sentence_of(name, report.patient[name].model_dump()))) == 1


def test_shares_are_said_with_how_common_findings_are(report: EvaluationReport, people: pd.DataFrame) -> None:
    """By hand: Hologic's cuts are 0.937 and 0.772 g/cm2, TBS below 1.31 where BMI is 15 to 37."""
    bmd, tbs, bmi = (people[name].to_numpy() for name in ("bmd_l1_l4_g_cm2", "tbs_l1_l4", "bmi_kg_m2"))
    judged = (bmi >= 15) & (bmi <= 37)
    sick = (bmd <= 0.937) | (judged & (tbs < 1.31))
    lost = ~sick & ~judged
    assert lost.any()
    assert flag_counts(report) == (sick.sum(), (~sick & judged).sum(), lost.sum())
    known = 80 - lost.sum()
    (sentence,) = _said(report, "as common as here")
    assert (
        f"where {sick.sum()} of {known} ({sick.sum() / known:.0%}) have low bone density or impaired "
        f"microarchitecture by DXA and {(bmd <= 0.772).sum()} of 80 have osteoporosis"
    ) in sentence
    assert len(_said(report, f"{lost.sum()} of 80 test patients are left out of the flag's")) == 1


def test_nobody_left_out_of_the_flag_is_not_said(report: EvaluationReport) -> None:
    judged = sum(flag_counts(report)[:2])
    counts = report.counts.model_copy(update={"judged_patients": {"test": judged}})
    assert _said(report.model_copy(update={"counts": counts}), "left out") == []


@pytest.mark.parametrize(
    ("flag_on", "words"),
    [
        (("osteopenia", "osteoporosis", "impaired_tbs"), "low bone density or impaired microarchitecture"),
        (("osteoporosis", "impaired_tbs"), "osteoporosis or impaired microarchitecture"),
        (("osteoporosis",), "osteoporosis"),
        ((), "a finding that flags"),
    ],
)
def test_whom_the_flag_seeks_is_what_it_was_set_on(
    report: EvaluationReport, flag_on: tuple[str, ...], words: str
) -> None:
    assert whom(flag_on) == words
    (sentence,) = _said(report.model_copy(update={"flag_on": flag_on}), "people flagged")
    assert f"have {words} by DXA" in sentence


def _covered(report: EvaluationReport, **of_sex: Metric) -> EvaluationReport:
    """Every group's coverage as promised, but for those given."""
    fine = dict.fromkeys(("bmd.interval_coverage", "tbs.interval_coverage"), _metric(0.89, 0.84, 0.93))
    groups = {
        dimension: {name: Subgroup(n=160, metrics=fine) for name in found}
        for dimension, found in report.subgroups.items()
    }
    for name, metric in of_sex.items():
        groups["sex"][name] = Subgroup(n=metric.n, metrics={**fine, "bmd.interval_coverage": metric})
    return report.model_copy(update={"subgroups": groups})


def test_groups_whose_intervals_do_not_keep_their_promise_are_named(report: EvaluationReport) -> None:
    broken = _covered(report, men=_metric(0.75, 0.676, 0.815), women=_metric(0.953, 0.93, 0.971, n=540))
    (sentence,) = _said(broken, "do not hold 90% in every group")
    assert "of BMD" in sentence
    assert "fewer in sex men: 75.0% [67.6%, 81.5%] of 160" in sentence
    assert "more in sex women: 95.3% [93.0%, 97.1%] of 540" in sentence
    assert "vendor" not in sentence
    looked = sum(len(groups) for groups in report.subgroups.values())
    assert f"({looked} groups were looked at)" in sentence


def test_groups_whose_intervals_keep_their_promise_are_not_spoken_of(report: EvaluationReport) -> None:
    assert _said(_covered(report), "in every group") == []
    assert _said(_covered(report, men=_metric(0.85, 0.80, 0.90)), "in every group") == []  # 90 % is held


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ((0.05, 0.01, 0.09), "better than trabecular HU alone: its r is larger by 0.05 [0.01, 0.09]."),
        ((-0.05, -0.09, -0.01), "worse than trabecular HU alone: its r is smaller by 0.05 [0.01, 0.09]."),
        ((-0.05, -0.12, 0.02), "not shown to be better than trabecular HU alone: its r is smaller by 0.05 [-0.02, "),
        ((-0.001, -0.08, 0.001), "its r is smaller by 0.00 [0.00, 0.08]."),
    ],
)  # fmt: skip
def test_a_loss_is_called_a_loss(
    report: EvaluationReport, metric: tuple[float, float, float], words: str
) -> None:
    gains = {**report.gains, "hu": {"bmd.pearson_r": _metric(*metric)}}
    assert len(_said(report.model_copy(update={"gains": gains}), words)) == 1


def test_tbs_is_held_against_hu_and_against_the_true_bmd(report: EvaluationReport) -> None:
    partial = {"hu": _metric(0.31, 0.2, 0.4), "bmd": _metric(0.08, -0.1, 0.2)}
    metrics = {f"tbs.partial_r_given_{name}": metric for name, metric in partial.items()}
    held = report.model_copy(update={"patient": {**report.patient, **metrics}})
    assert (
        len(_said(held, "tells more of TBS than trabecular HU does: partial r given trabecular HU 0.31 ["))
        == 1
    )
    assert len(_said(held, "is not shown to tell more of TBS than the true BMD (DXA) does")) == 1
    assert _said(held, "more than density") == []


@pytest.mark.parametrize(("name", "column"), [("hu", "trabecular_hu"), ("bmd", "bmd_l1_l4_g_cm2")])
def test_partial_r_is_statsmodels_residuals_correlated(
    report: EvaluationReport, people: pd.DataFrame, name: str, column: str
) -> None:
    judged = people[people["tbs_judged"]]
    given = add_constant(judged[column].to_numpy())
    residuals = [OLS(judged[side].to_numpy(), given).fit().resid for side in ("tbs_l1_l4", "tbs_pred")]
    metric = report.patient[f"tbs.partial_r_given_{name}"]
    assert metric.value == pytest.approx(np.corrcoef(*residuals)[0, 1])
    assert (metric.low, metric.high) == pytest.approx(
        fisher_interval(float(metric.value or 0), len(judged) - 1)
    )


def test_brackets_say_that_the_worst_vendors_are_wider(report: EvaluationReport) -> None:
    assert brackets(report) == (
        "Brackets hold 95 % intervals; those of the worst vendor 98.75 % (Bonferroni: the worst was picked of 4)."
    )
    none = {name: metric for name, metric in report.patient.items() if not name.startswith("worst_vendor")}
    assert brackets(report.model_copy(update={"patient": none})) == "Brackets hold 95 % intervals."


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("osteopenia", "osteopenia or worse"),  # the count includes osteoporosis
        ("osteopenia.auc", "osteopenia or worse AUC"),
        ("osteoporosis", "osteoporosis"),
        ("impaired_tbs", "impaired microarchitecture"),
        ("tbs.pearson_r", "TBS pearson r"),
    ],
)
def test_a_finding_is_spoken_by_its_title(name: str, words: str) -> None:
    assert spoken(name) == words


def test_a_report_from_before_flag_on_was_kept_is_read(report: EvaluationReport, tmp_path: Path) -> None:
    document = json.loads(report.model_dump_json())
    del document["flag_on"]
    (tmp_path / "report.json").write_text(json.dumps(document))
    assert read_report(tmp_path / "report.json").flag_on == ()
