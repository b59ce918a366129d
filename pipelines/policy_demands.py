"""The gate's policy in words, for the model card's change control page."""

from __future__ import annotations

from collections.abc import Iterator

from components.gate_promotion.policy import BoundRule, GateParams, GatePolicy
from components.gate_promotion.titles import title_of
from models.evaluation.report_file import EvaluationReport
from models.model_card.render import Acceptance, Demand

APPROVALS = {
    "automatic": "What meets them is deployed without further word.",
    "person": "A person then approves, or does not (`osteogate approve`).",
}


def acceptance(params: GateParams, policy: str, report: EvaluationReport) -> Acceptance:
    """What policy `policy` demands, each rule with the report's own metric.

    Raises
    ------
    ParameterError
        There is no such policy.
    """
    return Acceptance(policy, tuple(_demands(params.policy(policy), report)), APPROVALS[params.approval])


def _demands(policy: GatePolicy, report: EvaluationReport) -> Iterator[Demand]:
    bound = f"lower {policy.confidence:.0%} bound"
    for key, rule in policy.rules.items():
        yield Demand(title_of(key), f"{bound} above {rule.above:.2f}{_needed(rule)}", report.patient.get(key))
    for over, gains in policy.gains.items():
        for metric, gain in gains.items():
            found = report.gains.get(over, {}).get(metric)
            yield Demand(
                title_of(f"gain.{over}.{metric}"), f"{bound} of the gain above {gain.above:.2f}", found
            )
    vendor = policy.worst_vendor
    if vendor is not None:
        for bias, within in vendor.bias_within.items():
            yield Demand(
                title_of(f"worst_vendor.{bias}"),
                f"interval within ±{within:.3f}; {vendor.minimum_patients} patients of each vendor",
                report.patient.get(f"worst_vendor.{bias}"),
            )
        for correlation, margin in vendor.r_margin.items():
            name = correlation.replace("pearson_r", "r_difference")
            yield Demand(
                title_of(f"worst_vendor.{correlation}"),
                f"{bound} above -{margin:.2f}",
                report.patient.get(f"worst_vendor.{name}"),
            )
    for target, coverage in policy.coverage.items():
        yield Demand(
            title_of(f"coverage.{target}"),
            f"inside the exact {coverage.confidence:.0%} band of the nominal coverage",
            report.patient.get(f"{target}.interval_coverage"),
        )
    versus = report.versus_champion.difference if report.versus_champion else {}
    for compared, champion in policy.champion.items():
        yield Demand(
            f"{title_of(f'champion.{compared}')}, this model less the one before",
            f"{bound} above -{champion.margin:.2f}",
            versus.get(compared),
        )


def _needed(rule: BoundRule) -> str:
    needed = [
        f"{count} {words} the finding"
        for count, words in ((rule.minimum_with, "with"), (rule.minimum_without, "without"))
        if count
    ]
    return f"; at least {' and '.join(needed)}" if needed else ""
