"""Read the reports, decide, and write the decision for programs and for people."""

from __future__ import annotations

import json
from pathlib import Path

import structlog
from pydantic import ValidationError

from components.gate_promotion.approvals import word_on
from components.gate_promotion.decide import decide, with_word
from components.gate_promotion.outcome import GateDecision
from components.gate_promotion.page import render
from components.gate_promotion.policy import GateParams
from models.errors import InputError
from models.evaluation.report_file import read_report

DECISION_FILE = "decision.json"
PAGE_FILE = "decision.html"


class DecisionFileError(InputError):
    """decision.json of the gate is missing, damaged or of another schema version."""


def run(
    *,
    report: Path,
    champion_report: Path | None,
    policy: str,
    params: GateParams,
    out: Path,
    approvals: Path | None = None,
    run_id: str = "",
) -> GateDecision:
    """Decide on promotion and write `decision.json` and `decision.html` into `out`.

    Parameters
    ----------
    report, champion_report
        report.json of the challenger and, when there is a champion, of the champion on the same patients.
    policy
        Name of a policy in `params`.
    approvals
        Log of what persons said; a decision that was approved before is not asked for again.
    run_id
        For the page, which says how to approve.

    Raises
    ------
    ReportError
        A report is missing, damaged, holds NaN, or has another schema version. Nothing is written.
    ParameterError
        No policy of that name.
    ApprovalLogError
        The log is damaged.
    """
    rules = params.policy(policy)
    challenger = read_report(report)
    champion = None if champion_report is None else read_report(champion_report)
    decision = decide(challenger, champion, rules, name=policy, approval=params.approval)
    if approvals is not None and decision.state == "awaiting approval":
        record = word_on(approvals, decision.subject)
        decision = with_word(decision, None if record is None else record.word)
    out.mkdir(parents=True, exist_ok=True)
    _write(out / DECISION_FILE, decision.model_dump_json(indent=2) + "\n")
    _write(out / PAGE_FILE, render(decision, challenger, champion, run_id=run_id))
    structlog.get_logger().info(
        "gate_decided",
        policy=policy,
        state=decision.state,
        blocking=[outcome.key for outcome in decision.rules if outcome.blocks],
    )
    return decision


def read_decision(path: Path) -> GateDecision:
    """Read decision.json.

    Raises
    ------
    DecisionFileError
        Missing, damaged, or of another schema version.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DecisionFileError(f"{path}: no decision of the gate ({error.strerror})") from error
    except ValueError as error:
        raise DecisionFileError(f"{path}: not a JSON decision ({error})") from error
    version = document.get("schema_version") if isinstance(document, dict) else None
    if version != 2:
        raise DecisionFileError(f"{path}: decision of schema {version!r}; this version reads 2: run again")
    try:
        return GateDecision.model_validate_json(json.dumps(document))
    except ValidationError as error:
        raise DecisionFileError(f"{path}: {error.errors()[0]['msg']}; run again") from error


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
