"""Better, worse, equal, swapped, missing and corrupted champions: real reports of synthetic predictions, no mocks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from components.gate_promotion.decide import decide
from components.gate_promotion.outcome import GateDecision, RuleOutcome
from components.gate_promotion.policy import GateParams, GatePolicy
from components.gate_promotion.run import run
from models.evaluation.metric import Metric
from models.evaluation.report_file import EvaluationReport, ReportError, write_report
from tests import simulated_predictions as simulated

SEED, TEST, CALIBRATION = 11, 150, 60
BETTER, DECENT, WORSE = (simulated.of_quality(*r) for r in ((0.96, 0.85), (0.90, 0.70), (0.70, 0.40)))


def retrained(
    people: pd.DataFrame, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """As good as `DECENT`, with errors of its own: the same training from another seed."""
    return DECENT(people, np.random.default_rng(77))


@pytest.fixture(scope="module")
def reports(judge) -> dict[str, EvaluationReport]:
    """Every model on the same patients."""
    return {
        name: judge(estimator, SEED, TEST, CALIBRATION, sha)
        for name, estimator, sha in (
            ("better", BETTER, "b"),
            ("decent", DECENT, "d"),
            ("retrained", retrained, "e"),
            ("worse", WORSE, "f"),
        )
    }


def _of_champion(decision: GateDecision) -> dict[str, RuleOutcome]:
    return {rule.key: rule for rule in decision.rules if rule.key.startswith("champion.")}


def _blocking(decision: GateDecision) -> list[str]:
    return [rule.key for rule in decision.rules if rule.blocks]


def test_a_better_challenger_is_not_inferior(
    reports: dict[str, EvaluationReport], beside, production: GatePolicy
) -> None:
    champion = reports["decent"]
    outcomes = _of_champion(decide(beside(reports["better"], champion), champion, production))
    assert {rule.verdict for rule in outcomes.values()} == {"passed"}
    difference = outcomes["champion.bmd.pearson_r"].metric
    assert difference is not None
    assert float(difference.low or 0) > 0
    assert f"against the champion's {champion.patient['bmd.pearson_r'].value:.3f}" in (
        outcomes["champion.bmd.pearson_r"].reason
    )


def test_a_worse_challenger_is_refused_by_name_and_told_what_to_change(
    reports: dict[str, EvaluationReport], beside, demo: GatePolicy
) -> None:
    decision = decide(beside(reports["worse"], reports["decent"]), reports["decent"], demo)
    outcome = _of_champion(decision)["champion.bmd.pearson_r"]
    assert (outcome.verdict, outcome.blocks, decision.promoted) == ("failed", True, False)
    assert "not above -0.15" in outcome.reason
    assert "however many patients" in str(outcome.change)
    # alone, the same model would have been promoted
    assert decide(reports["worse"], None, demo).promoted


def test_the_champion_itself_differs_by_nothing_passes_and_asks_for_nobody(
    reports: dict[str, EvaluationReport], beside, demo: GatePolicy, production: GatePolicy
) -> None:
    same = reports["decent"]
    for policy in (demo, production):
        outcomes = _of_champion(decide(beside(same, same), same, policy))
        assert {rule.verdict for rule in outcomes.values()} == {"passed"}
        difference = outcomes["champion.bmd.pearson_r"].metric
        assert difference is not None
        assert (difference.value, difference.low, difference.high) == (0.0, 0.0, 0.0)
    decision = decide(beside(same, same), same, demo, approval="person")
    assert (decision.state, decision.same_model) == ("promoted", True)


def test_an_equal_model_retrained_is_promoted_under_the_demo_policy_and_waits_where_a_person_is_asked(
    reports: dict[str, EvaluationReport], beside, demo: GatePolicy
) -> None:
    """Equal quality, other errors: not inferior is enough; it need not be better."""
    challenger = beside(reports["retrained"], reports["decent"])
    decision = decide(challenger, reports["decent"], demo)
    difference = _of_champion(decision)["champion.bmd.pearson_r"].metric
    assert difference is not None
    assert float(difference.low or 0) < 0 < float(difference.high or 0)
    assert decision.promoted
    assert decide(challenger, reports["decent"], demo, approval="person").state == "awaiting approval"


def test_exchanged_reports_never_pass(reports: dict[str, EvaluationReport], beside, demo: GatePolicy) -> None:
    """A gate that read one report twice, or the wrong one first, would answer alike both ways round."""
    better, decent = reports["better"], reports["decent"]
    compared = beside(better, decent)
    assert decide(compared, decent, demo).promoted
    swapped = decide(decent, compared, demo)
    assert "champion.comparable" in _blocking(swapped)
    assert "exchanged" in swapped.reasons[0]
    # compared the right way round, the lesser model is refused
    assert "champion.bmd.pearson_r" in _blocking(decide(beside(reports["worse"], better), better, demo))
    # the comparison of one pair beside the reports of another, both ways round
    assert "champion.comparable" in _blocking(decide(compared, reports["worse"], demo))
    backwards = better.model_copy(update={"versus_champion": beside(decent, better).versus_champion})
    assert "champion.comparable" in _blocking(decide(backwards, decent, demo))


def test_a_difference_with_the_wrong_sign_is_a_contradiction(
    reports: dict[str, EvaluationReport], beside, demo: GatePolicy
) -> None:
    compared = beside(reports["worse"], reports["decent"])
    versus = compared.versus_champion
    assert versus is not None
    turned = {
        key: Metric(
            value=-float(metric.value or 0),
            low=-float(metric.high or 0),
            high=-float(metric.low or 0),
            n=metric.n,
            method=metric.method,
        )
        for key, metric in versus.difference.items()
    }
    lied = compared.model_copy(update={"versus_champion": versus.model_copy(update={"difference": turned})})
    decision = decide(lied, reports["decent"], demo)
    assert "champion.comparable" in _blocking(decision)
    assert any("the comparison says bmd.pearson_r differs by" in reason for reason in decision.reasons)


def test_no_champion_is_told_from_a_lost_one(
    reports: dict[str, EvaluationReport], beside, demo: GatePolicy
) -> None:
    first = decide(reports["decent"], None, demo)
    assert first.promoted
    assert {rule.verdict for rule in _of_champion(first).values()} == {"not judged"}
    lost = decide(beside(reports["decent"], reports["better"]), None, demo)
    assert _blocking(lost) == ["champion.comparable"]
    assert "whose report is missing" in lost.reasons[0]


def test_a_champion_without_a_comparison_blocks(
    reports: dict[str, EvaluationReport], demo: GatePolicy
) -> None:
    decision = decide(reports["better"], reports["decent"], demo)
    assert "holds no comparison with the champion" in decision.reasons[0]


@pytest.mark.parametrize("change", [{"test_set_sha256": "e" * 64}, {"data_version": "v0"}])
def test_a_champion_scored_on_other_patients_blocks(
    reports: dict[str, EvaluationReport], beside, demo: GatePolicy, change: dict[str, str]
) -> None:
    champion = reports["decent"]
    decision = decide(beside(reports["better"], champion), champion.model_copy(update=change), demo)
    assert not decision.promoted
    assert "scored on other test patients" in decision.reasons[0]


def test_a_champion_that_says_the_same_to_everybody_does_not_shield_itself(
    judge, beside, reports: dict[str, EvaluationReport], demo: GatePolicy
) -> None:
    champion = judge(simulated.constant, SEED, TEST, CALIBRATION, "a")
    assert champion.patient["bmd.pearson_r"].value is None
    assert decide(beside(reports["decent"], champion), champion, demo).promoted
    back = decide(beside(champion, reports["decent"]), reports["decent"], demo)
    assert _of_champion(back)["champion.bmd.pearson_r"].verdict == "failed"


def _truncated(text: str) -> str:
    return text[: len(text) // 2]


def _other_schema(text: str) -> str:
    return text.replace('"schema_version": 2', '"schema_version": 1', 1)


def _nan(text: str) -> str:
    return text.replace('"value": 0', '"value": NaN, "was": 0', 1)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_truncated, "not a JSON report"),
        (_other_schema, "schema 1; this version reads 2"),
        (_nan, "it holds NaN"),
        (lambda text: text.replace('"weights_sha256"', '"weights"', 1), "model.weights"),
        (lambda text: "\x00" * len(text), "not a JSON report"),
    ],
)
def test_a_corrupted_champion_decides_nothing(
    reports: dict[str, EvaluationReport],
    beside,
    gate_params: GateParams,
    tmp_path: Path,
    damage: Any,
    words: str,
) -> None:
    write_report(beside(reports["better"], reports["decent"]), tmp_path / "report.json")
    write_report(reports["decent"], tmp_path / "champion_report.json")
    files = {"report": tmp_path / "report.json", "champion_report": tmp_path / "champion_report.json"}
    run(**files, policy="demo", params=gate_params, out=tmp_path / "sound")
    text = files["champion_report"].read_text()
    assert damage(text) != text
    files["champion_report"].write_text(damage(text))
    with pytest.raises(ReportError, match=words):
        run(**files, policy="demo", params=gate_params, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
