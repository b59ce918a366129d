"""The gate: a pure function of the challenger's report, the champion's report and a policy."""

from __future__ import annotations

from typing import Literal

from components.gate_promotion.policy import BoundRule, ChampionRule, GainRule, GatePolicy
from models.evaluation.metric import Metric
from models.evaluation.report_file import EvaluationReport
from models.params import Section

Verdict = Literal["passed", "failed", "not judged"]


class RuleOutcome(Section):
    """One rule's verdict with its reason in words.

    Attributes
    ----------
    blocks
        True when this verdict alone is enough to refuse.
    """

    key: str
    verdict: Verdict
    required: bool
    blocks: bool
    reason: str


class GateDecision(Section):
    """The decision.

    Attributes
    ----------
    reasons
        When refused, what blocked; when promoted, every verdict.
    champion_sha256
        None when there was no champion.
    """

    schema_version: Literal[1] = 1
    promoted: bool
    policy: str
    data_kind: str
    data_version: str
    challenger_sha256: str
    champion_sha256: str | None
    rules: tuple[RuleOutcome, ...]
    reasons: tuple[str, ...]


def decide(
    challenger: EvaluationReport,
    champion: EvaluationReport | None,
    policy: GatePolicy,
    *,
    name: str = "",
) -> GateDecision:
    """Promote the challenger or not.

    Every rule is passed, failed or not judged. A failed rule always blocks; a rule that could not be judged
    blocks when the policy requires it; the champion's rules never block for want of a champion.

    Parameters
    ----------
    champion
        The champion re-scored on the challenger's test patients; None when there is no champion.
    name
        Of the policy, for the record.
    """
    n = challenger.counts.judged_patients.get("test", 0)
    enough = n >= policy.minimum_test_patients
    few = f"{n} test patients, {policy.minimum_test_patients} needed"
    outcomes: list[RuleOutcome] = []

    def settle(key: str, verdict: Verdict, reason: str, *, required: bool) -> None:
        blocks = verdict == "failed" or (verdict == "not judged" and required)
        outcomes.append(
            RuleOutcome(key=key, verdict=verdict, required=required, blocks=blocks, reason=f"{key}: {reason}")
        )

    for key, rule in policy.rules.items():
        verdict, reason = _bound(challenger, key, rule) if enough else ("not judged", f"not judged: {few}")
        settle(key, verdict, reason, required=key in policy.required)
    for key, gain in policy.gains.items():
        verdict, reason = _gain(challenger, key, gain) if enough else ("not judged", f"not judged: {few}")
        settle(f"gain.{key}", verdict, reason, required=f"gain.{key}" in policy.required)
    if not enough:
        settle("minimum_test_patients", "failed", few, required=True)
    for key, margin in policy.champion.items():
        verdict, reason = _against(challenger, champion, key, margin)
        # A champion that is there but cannot be compared must not be replaced unseen.
        settle(f"champion.{key}", verdict, reason, required=champion is not None)
    promoted = not any(outcome.blocks for outcome in outcomes)
    return GateDecision(
        promoted=promoted,
        policy=name,
        data_kind=challenger.data_kind,
        data_version=challenger.data_version,
        challenger_sha256=challenger.model.weights_sha256,
        champion_sha256=None if champion is None else champion.model.weights_sha256,
        rules=tuple(outcomes),
        reasons=tuple(outcome.reason for outcome in outcomes if promoted or outcome.blocks),
    )


def _bound(report: EvaluationReport, key: str, rule: BoundRule) -> tuple[Verdict, str]:
    metric = report.patient.get(key)
    if metric is None:
        return "not judged", "not judged: the report does not hold it"
    if metric.positives is not None:
        without = metric.n - metric.positives
        if metric.positives < rule.minimum_with or without < rule.minimum_without:
            return "not judged", (
                f"not judged: {metric.positives} test patients with and {without} without the finding, "
                f"{rule.minimum_with} and {rule.minimum_without} needed"
            )
    return _above(metric, rule.above, "")


def _gain(report: EvaluationReport, key: str, rule: GainRule) -> tuple[Verdict, str]:
    metric = report.gains.get(rule.over, {}).get(key)
    if metric is None:
        return "not judged", "not judged: the report does not hold it"
    return _above(metric, rule.above, f" over the {rule.over} regression")


def _above(metric: Metric, above: float, over: str) -> tuple[Verdict, str]:
    if metric.value is None or metric.low is None:
        return "not judged", f"not judged: {metric.reason}"
    holds = metric.low > above
    relation = "above" if holds else "not above"
    return (
        "passed" if holds else "failed",
        f"{metric.words()}{over}, n={metric.n}; lower bound {metric.low:.3f} is {relation} {above:.2f}",
    )


def _against(
    challenger: EvaluationReport, champion: EvaluationReport | None, key: str, rule: ChampionRule
) -> tuple[Verdict, str]:
    if champion is None:
        return "not judged", "not judged: no champion"
    if (champion.test_set_sha256, champion.data_version) != (
        challenger.test_set_sha256,
        challenger.data_version,
    ):
        return "not judged", "not judged: the champion was scored on other test patients; score it on these"
    ours, theirs = challenger.patient.get(key), champion.patient.get(key)
    if theirs is None or theirs.value is None:
        return "passed", "the champion's own value is not defined on these patients"
    if ours is None or ours.value is None:
        return "failed", f"the champion has {theirs.words()}, the challenger's is not defined"
    floor = theirs.value - rule.margin
    holds = ours.value >= floor
    return (
        "passed" if holds else "failed",
        f"{ours.value:.3f} against the champion's {theirs.value:.3f}, margin {rule.margin:.2f}: "
        f"{'not worse' if holds else 'worse'}",
    )
