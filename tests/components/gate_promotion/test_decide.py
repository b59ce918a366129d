"""Every verdict by itself: bounds, not judged, and who decides; champions have a file of their own."""

from __future__ import annotations

from typing import Any

import pytest

from components.gate_promotion.decide import decide, with_word
from components.gate_promotion.outcome import GateDecision, Word
from components.gate_promotion.policy import GateParams, GatePolicy
from models.evaluation.metric import Metric, undefined
from models.evaluation.report_file import EvaluationReport
from tests import simulated_predictions as simulated

GOOD = simulated.of_quality(0.92, 0.70)


def _metric(value: float, low: float, n: int = 28, positives: int | None = None) -> Metric:
    return Metric(value=value, low=low, high=1.0, n=n, positives=positives, method="given")


@pytest.fixture(scope="module")
def good(judge) -> EvaluationReport:
    """All that the demo policy looks at, a little above what it asks."""
    measured = judge(GOOD, 1)
    return _with(
        measured,
        **{
            "bmd.pearson_r": _metric(0.85, 0.41),
            "tbs.pearson_r": _metric(0.50, 0.01),
            "osteopenia.auc": _metric(0.9, 0.61, positives=14),
            "osteoporosis.auc": _metric(0.9, 0.51, positives=5),
            "impaired_tbs.auc": _metric(0.8, 0.41, positives=14),
            "flag.sensitivity": _metric(0.9, 0.31, n=18, positives=18),
            "flag.specificity": _metric(0.3, 0.01, n=10, positives=18),
        },
    ).model_copy(
        update={
            "gains": {"age_sex": {"bmd.pearson_r": _metric(0.3, 0.001)}},
        }
    )


def _with(report: EvaluationReport, **metrics: Metric) -> EvaluationReport:
    return report.model_copy(update={"patient": {**report.patient, **metrics}})


def _rule(decision: GateDecision, key: str) -> Any:
    return next(rule for rule in decision.rules if rule.key == key)


def test_all_rules_just_above_their_bounds_promote(good: EvaluationReport, demo: GatePolicy) -> None:
    decision = decide(good, None, demo, name="demo")
    assert decision.promoted
    assert decision.policy == "demo"
    assert _rule(decision, "bmd.pearson_r").reason == (
        "bmd.pearson_r: 0.85 [0.41, 1.00], n=28; lower bound 0.410 is above 0.40"
    )


@pytest.mark.parametrize(
    ("key", "low", "positives"),
    [
        ("bmd.pearson_r", 0.40, None),  # on the bound is not above it
        ("tbs.pearson_r", 0.0, None),
        ("osteopenia.auc", 0.60, 14),
        ("osteoporosis.auc", 0.50, 5),
        ("impaired_tbs.auc", 0.40, 14),
        ("flag.sensitivity", 0.30, 18),
        ("flag.specificity", 0.0, 18),
    ],
)
def test_each_rule_refuses_alone_and_is_named(
    good: EvaluationReport, demo: GatePolicy, key: str, low: float, positives: int | None
) -> None:
    decision = decide(_with(good, **{key: _metric(0.95, low, positives=positives)}), None, demo)
    assert not decision.promoted
    assert [rule.key for rule in decision.rules if rule.blocks] == [key]
    assert len(decision.reasons) == 1
    assert f"lower bound {low:.3f} is not above" in decision.reasons[0]


@pytest.mark.parametrize("low", [0.0, -0.2])
def test_no_gain_over_age_and_sex_refuses(good: EvaluationReport, demo: GatePolicy, low: float) -> None:
    gains = {"age_sex": {"bmd.pearson_r": _metric(0.1, low)}}
    decision = decide(good.model_copy(update={"gains": gains}), None, demo)
    assert not decision.promoted
    assert "over the age_sex regression" in decision.reasons[0]


@pytest.mark.parametrize("key", ["bmd.pearson_r", "tbs.pearson_r", "osteopenia.auc", "impaired_tbs.auc"])
def test_a_required_metric_that_is_not_defined_is_not_judged_and_refuses(
    good: EvaluationReport, demo: GatePolicy, key: str
) -> None:
    decision = decide(_with(good, **{key: undefined("the predictions are constant", 28, "x")}), None, demo)
    assert not decision.promoted
    assert _rule(decision, key).verdict == "not judged"
    assert "the predictions are constant" in decision.reasons[0]


def test_too_few_with_osteoporosis_is_not_judged_and_does_not_block_the_demo(
    good: EvaluationReport, demo: GatePolicy, gate_params: GateParams
) -> None:
    report = _with(good, **{"osteoporosis.auc": _metric(0.6, 0.2, positives=4)})
    rule = _rule(decide(report, None, demo), "osteoporosis.auc")
    assert (rule.verdict, rule.blocks) == ("not judged", False)
    assert "4 test patients with and 24 without the finding, 5 and 5 needed" in rule.reason
    assert decide(report, None, demo).promoted
    assert _rule(decide(report, None, gate_params.policy("production")), "osteoporosis.auc").blocks


@pytest.mark.parametrize(("without", "verdict"), [(10, "passed"), (9, "not judged")])
def test_whose_tbs_is_not_judged_does_not_count_as_without_a_finding(
    good: EvaluationReport, demo: GatePolicy, without: int, verdict: str
) -> None:
    """28 test patients, 18 with a finding; the tenth of the others has normal BMD, and TBS is not judged."""
    report = _with(good, **{"flag.specificity": _metric(0.3, 0.01, n=without, positives=18)})
    rule = _rule(decide(report, None, demo), "flag.specificity")
    assert rule.verdict == verdict
    if verdict == "not judged":
        assert "18 test patients with and 9 without the finding, 0 and 10 needed" in rule.reason


@pytest.mark.parametrize("n", [0, 19])
def test_too_few_test_patients_judge_nothing_and_refuse(
    good: EvaluationReport, demo: GatePolicy, n: int
) -> None:
    counts = good.counts.model_copy(update={"judged_patients": {"test": n} if n else {}})
    decision = decide(good.model_copy(update={"counts": counts}), None, demo)
    assert not decision.promoted
    judged = {rule.verdict for rule in decision.rules if rule.key != "minimum_test_patients"}
    assert judged == {"not judged"}
    assert any(f"{n} test patients, 20 needed" in reason for reason in decision.reasons)


def test_a_metric_missing_from_the_report_is_not_judged(good: EvaluationReport, demo: GatePolicy) -> None:
    patient = {key: metric for key, metric in good.patient.items() if key != "tbs.pearson_r"}
    decision = decide(good.model_copy(update={"patient": patient}), None, demo)
    assert not decision.promoted
    assert _rule(decision, "tbs.pearson_r").verdict == "not judged"
    assert not decide(good.model_copy(update={"gains": {}}), None, demo).promoted


def test_no_champion_is_not_judged_and_does_not_block(good: EvaluationReport, demo: GatePolicy) -> None:
    rule = _rule(decide(good, None, demo), "champion.bmd.pearson_r")
    assert (rule.verdict, rule.blocks) == ("not judged", False)
    assert rule.reason == "champion.bmd.pearson_r: not judged: no champion"


def test_narrower_intervals_than_the_policy_asks_for_are_not_judged(
    good: EvaluationReport, demo: GatePolicy
) -> None:
    decision = decide(good.model_copy(update={"confidence": 0.8}), None, demo)
    assert not decision.promoted
    assert "intervals are of 80%, 95% needed" in decision.reasons[0]


def test_what_passed_awaits_a_person_where_one_is_asked(good: EvaluationReport, demo: GatePolicy) -> None:
    decision = decide(good, None, demo, approval="person")
    assert (decision.state, decision.passed, decision.promoted) == ("awaiting approval", True, False)
    refused = decide(_with(good, **{"bmd.pearson_r": _metric(0.5, 0.1)}), None, demo, approval="person")
    assert (refused.state, refused.passed) == ("refused", False)


def test_a_persons_word_changes_what_awaits_it_and_nothing_else(
    good: EvaluationReport, demo: GatePolicy
) -> None:
    yes = Word(action="approved", at="2026-11-23T08:00:00+00:00", by="A. Miller", account="am")
    no = yes.model_copy(update={"action": "rejected", "why": "the test set is too small"})
    awaiting = decide(good, None, demo, approval="person")
    assert with_word(awaiting, yes).state == "promoted"
    assert with_word(awaiting, no).state == "rejected"
    assert "too small" in with_word(awaiting, no).reasons[0]
    refused = decide(_with(good, **{"bmd.pearson_r": _metric(0.5, 0.1)}), None, demo, approval="person")
    for word in (yes, no, None):
        assert with_word(refused, word) == refused


def test_an_approval_is_of_this_model_this_champion_and_these_verdicts(
    good: EvaluationReport, demo: GatePolicy
) -> None:
    subject = decide(good, None, demo, name="demo").subject
    assert decide(good, None, demo, name="demo", approval="person").subject == subject
    other_model = good.model_copy(
        update={"model": good.model.model_copy(update={"weights_sha256": "d" * 64})}
    )
    worse = _with(good, **{"bmd.pearson_r": _metric(0.5, 0.1)})
    other_data = good.model_copy(update={"data_version": "v2"})
    frozen = good.frozen.model_copy(update={"bmd_half_width_g_cm2": 0.5})
    others = [other_model, worse, other_data, good.model_copy(update={"frozen": frozen})]
    assert subject not in {decide(report, None, demo, name="demo").subject for report in others}
    assert decide(good, None, demo, name="other").subject != subject


def test_the_decision_is_a_pure_function(good: EvaluationReport, demo: GatePolicy) -> None:
    before = good.model_dump_json()
    assert decide(good, good, demo) == decide(good, good, demo)
    assert good.model_dump_json() == before
