"""The gate: a pure function of the challenger's report, the champion's report and a policy."""

from __future__ import annotations

import hashlib
import json

from components.gate_promotion import rules
from components.gate_promotion.beside import comparable, not_inferior
from components.gate_promotion.outcome import GateDecision, Judgement, RuleOutcome, State, Word
from components.gate_promotion.policy import Approval, GatePolicy
from models.evaluation.report_file import EvaluationReport

COMPARABLE = "champion.comparable"


def decide(
    challenger: EvaluationReport,
    champion: EvaluationReport | None,
    policy: GatePolicy,
    *,
    name: str = "",
    approval: Approval = "automatic",
) -> GateDecision:
    """Promote the challenger or not.

    Every rule is passed, failed or not judged. A failed rule always blocks; a rule that could not be judged
    blocks when the policy requires it; the champion's rules never block for want of a champion. What passes is
    promoted, or waits for a person (see `with_word`); a challenger that is the champion itself waits for nobody.

    Parameters
    ----------
    champion
        The champion re-scored on the challenger's test patients; None when there is no champion.
    name
        Of the policy, for the record.
    """
    n = challenger.counts.judged_patients.get("test", 0)
    withheld = _withheld(challenger, n, policy)
    outcomes: list[RuleOutcome] = []

    def settle(key: str, judgement: Judgement, *, required: bool) -> None:
        blocks = judgement.verdict == "failed" or (judgement.verdict == "not judged" and required)
        outcomes.append(
            RuleOutcome(
                key=key,
                verdict=judgement.verdict,
                required=required,
                blocks=blocks,
                reason=f"{key}: {judgement.reason}",
                metric=judgement.metric,
                floor=judgement.floor,
                ceiling=judgement.ceiling,
                change=judgement.change,
            )
        )

    if withheld is not None:
        settle(withheld[0], withheld[1], required=True)
    for key, judgement in _alone(challenger, policy).items():
        if withheld is not None:
            judgement = rules.not_judged(withheld[1].reason, withheld[1].change or "")
        settle(key, judgement, required=key in policy.required)
    comparison = comparable(challenger, champion, tuple(policy.champion))
    # A champion that is there but cannot be compared must not be replaced unseen.
    settle(COMPARABLE, comparison, required=champion is not None)
    for metric, margin in policy.champion.items():
        key = f"champion.{metric}"
        beside = not_inferior(challenger, champion, metric, margin, comparison)
        settle(key, beside, required=champion is not None and key in policy.required)
    passed = not any(outcome.blocks for outcome in outcomes)
    versus = challenger.versus_champion
    same_model = champion is not None and versus is not None and versus.same_model
    state = _state(passed, same_model, approval)
    return GateDecision(
        state=state,
        passed=passed,
        promoted=state == "promoted",
        policy=name,
        approval=approval,
        statement=challenger.statement,
        data_kind=challenger.data_kind,
        data_version=challenger.data_version,
        test_set_sha256=challenger.test_set_sha256,
        test_patients=n,
        challenger_sha256=challenger.model.weights_sha256,
        champion_sha256=None if champion is None else champion.model.weights_sha256,
        same_model=same_model,
        subject=_subject(challenger, champion, name, outcomes),
        word=None,
        rules=tuple(outcomes),
        reasons=tuple(outcome.reason for outcome in outcomes if passed or outcome.blocks),
    )


def with_word(decision: GateDecision, word: Word | None) -> GateDecision:
    """The decision after a person spoke; only a decision that awaits approval changes."""
    if word is None or decision.state != "awaiting approval":
        return decision
    if word.action == "approved":
        return decision.model_copy(update={"state": "promoted", "promoted": True, "word": word})
    reason = f"rejected by {word.by} at {word.at}: {word.why}"
    return decision.model_copy(update={"state": "rejected", "word": word, "reasons": (reason,)})


def _state(passed: bool, same_model: bool, approval: Approval) -> State:
    if not passed:
        return "refused"
    return "promoted" if approval == "automatic" or same_model else "awaiting approval"


def _withheld(challenger: EvaluationReport, n: int, policy: GatePolicy) -> tuple[str, Judgement] | None:
    """Why nothing is judged at all, if so."""
    if n < policy.minimum_test_patients:
        few = f"{n} test patients, {policy.minimum_test_patients} needed"
        return "minimum_test_patients", Judgement("failed", few, change="more test patients")
    if challenger.confidence < policy.confidence:
        narrow = f"the report's intervals are of {challenger.confidence:.0%}, {policy.confidence:.0%} needed"
        return "confidence", Judgement(
            "failed", narrow, change=f"evaluate with evaluate.confidence {policy.confidence}"
        )
    return None


def _alone(challenger: EvaluationReport, policy: GatePolicy) -> dict[str, Judgement]:
    """Every rule that needs no champion."""
    judged: dict[str, Judgement] = {
        key: rules.bound(challenger, key, rule) for key, rule in policy.rules.items()
    }
    for over, gains in policy.gains.items():
        for key, gain in gains.items():
            judged[f"gain.{over}.{key}"] = rules.gain(challenger, over, key, gain)
    if policy.worst_vendor is not None:
        for bias in policy.worst_vendor.bias_within:
            judged[f"worst_vendor.{bias}"] = rules.worst_bias(challenger, bias, policy.worst_vendor)
        for key in policy.worst_vendor.r_margin:
            judged[f"worst_vendor.{key}"] = rules.worst_difference(challenger, key, policy.worst_vendor)
    for target, rule in policy.coverage.items():
        judged[f"coverage.{target}"] = rules.coverage(challenger, target, rule)
    return judged


def _subject(
    challenger: EvaluationReport, champion: EvaluationReport | None, policy: str, outcomes: list[RuleOutcome]
) -> str:
    """Hash of what was judged and how it came out: what an approval is an approval of."""
    judged = {
        "challenger": challenger.model.weights_sha256,
        "champion": None if champion is None else champion.model.weights_sha256,
        "cutoffs": {name: cutoff.value for name, cutoff in sorted(challenger.frozen.patient.items())},
        "half_widths": [challenger.frozen.bmd_half_width_g_cm2, challenger.frozen.tbs_half_width],
        "data_version": challenger.data_version,
        "test_set": challenger.test_set_sha256,
        "policy": policy,
        "verdicts": {outcome.key: outcome.verdict for outcome in outcomes},
    }
    return hashlib.sha256(json.dumps(judged, sort_keys=True).encode()).hexdigest()
