"""Read the reports, decide, and write the decision for programs and for people."""

from __future__ import annotations

from pathlib import Path

import structlog

from components.gate_promotion.decide import GateDecision, decide
from components.gate_promotion.policy import GateParams
from models.evaluation.report_file import EvaluationReport, read_report

DECISION_FILE = "decision.json"
PAGE_FILE = "decision.md"


def run(
    *, report: Path, champion_report: Path | None, policy: str, params: GateParams, out: Path
) -> GateDecision:
    """Decide on promotion and write `decision.json` and `decision.md` into `out`.

    Parameters
    ----------
    report, champion_report
        report.json of the challenger and, when there is a champion, of the champion on the same patients.
    policy
        Name of a policy in `params`.

    Raises
    ------
    ReportError
        A report is missing, damaged, holds NaN, or has another schema version. Nothing is written.
    ParameterError
        No policy of that name.
    """
    rules = params.policy(policy)
    challenger = read_report(report)
    champion = None if champion_report is None else read_report(champion_report)
    decision = decide(challenger, champion, rules, name=policy)
    out.mkdir(parents=True, exist_ok=True)
    _write(out / DECISION_FILE, decision.model_dump_json(indent=2) + "\n")
    _write(out / PAGE_FILE, page(decision, challenger))
    structlog.get_logger().info(
        "gate_decided",
        policy=policy,
        promoted=decision.promoted,
        blocking=[outcome.key for outcome in decision.rules if outcome.blocks],
    )
    return decision


def page(decision: GateDecision, challenger: EvaluationReport) -> str:
    """The decision as a short Markdown page."""
    lines = [
        f"# Gate: {'promoted' if decision.promoted else 'refused'} (policy '{decision.policy}')",
        "",
        f"**{challenger.statement}.** Data {decision.data_version}, "
        f"{challenger.counts.judged_patients.get('test', 0)} test patients.",
        "",
        "| rule | verdict | blocks | why |",
        "|---|---|---|---|",
    ]
    for outcome in decision.rules:
        why = outcome.reason.removeprefix(f"{outcome.key}: ").replace("|", "/")
        lines.append(f"| {outcome.key} | {outcome.verdict} | {'yes' if outcome.blocks else 'no'} | {why} |")
    lines += [
        "",
        "Rules are judged at the lower bound of the 95 % interval. 'Not judged' is not 'passed': it",
    ]
    lines += [
        "blocks where the policy requires the rule. The thresholds are in params.yaml, section `gate`.",
        "",
    ]
    return "\n".join(lines)


def _write(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.partial")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
