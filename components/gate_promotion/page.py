"""The decision as one self-contained page: why, with the numbers, and what would have to change."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, StrictUndefined

from components.gate_promotion.outcome import GateDecision, RuleOutcome
from components.gate_promotion.titles import GROUPS, full_title_of, group_of, title_of
from models.evaluation.metric import Metric
from models.evaluation.report_file import EvaluationReport

TEMPLATE = Path(__file__).parent / "decision.html.j2"
HEADLINES = {
    "promoted": "Promoted",
    "awaiting approval": "Passed, and awaiting a person's approval",
    "rejected": "Passed the rules, and rejected by a person",
    "refused": "Refused",
}
_WIDTH, _PAD = 190.0, 8.0  # of the picture of an interval, in CSS pixels


def render(
    decision: GateDecision, challenger: EvaluationReport, champion: EvaluationReport | None, *, run_id: str
) -> str:
    """The page as self-contained HTML, no script, nothing fetched.

    Parameters
    ----------
    challenger, champion
        The reports that were judged.
    run_id
        For the commands that the page names.
    """
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals |= {
        "title_of": title_of,
        "full_title_of": full_title_of,
        "why": why,
        "interval": interval,
        "cell": _cell,
    }
    groups = [
        (words, [outcome for outcome in decision.rules if group_of(outcome.key) == group])
        for group, words in GROUPS.items()
        if group != "champion"
    ]
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        decision=decision,
        headline=HEADLINES[decision.state],
        summary=in_words(decision),
        challenger=challenger,
        champion=champion,
        groups=[(words, outcomes) for words, outcomes in groups if outcomes],
        beside=[outcome for outcome in decision.rules if group_of(outcome.key) == "champion"],
        champion_title=GROUPS["champion"],
        blocking=[outcome for outcome in decision.rules if outcome.blocks],
        run_id=run_id or "RUN",
    )


def in_words(decision: GateDecision) -> str:
    """Why, in a sentence or two."""
    counts = {
        verdict: sum(outcome.verdict == verdict for outcome in decision.rules)
        for verdict in ("passed", "failed", "not judged")
    }
    judged = (
        f"Of {len(decision.rules)} rules of the policy '{decision.policy}', {counts['passed']} passed, "
        f"{counts['failed']} failed and {counts['not judged']} could not be judged, on "
        f"{decision.test_patients} test patients."
    )
    blocking = [full_title_of(outcome.key) for outcome in decision.rules if outcome.blocks]
    if decision.state == "refused":
        return f"{judged} The model is kept and not deployed, because of: {'; '.join(blocking)}."
    if decision.state == "rejected":
        word = decision.word
        said = f" {word.by} rejected it at {word.at}: {word.why}" if word else ""
        return f"{judged} None of them blocks.{said}"
    if decision.state == "awaiting approval":
        return f"{judged} None of them blocks. It is kept and not deployed until a person approves it."
    if decision.word is not None:
        return f"{judged} None of them blocks. Approved by {decision.word.by} at {decision.word.at}."
    if decision.same_model:
        return f"{judged} None of them blocks. It is the champion itself: nothing new is deployed."
    return f"{judged} None of them blocks, and no person's approval is asked for (gate.approval: automatic)."


def why(outcome: RuleOutcome) -> str:
    """The reason without the rule's name."""
    return outcome.reason.removeprefix(f"{outcome.key}: ")


def interval(outcome: RuleOutcome) -> dict[str, float] | None:
    """Where to draw value, interval and bounds, in CSS pixels; None when there is nothing to draw."""
    metric = outcome.metric
    if metric is None or metric.value is None or metric.low is None or metric.high is None:
        return None
    marks = {"low": metric.low, "value": metric.value, "high": metric.high}
    if outcome.floor is not None:
        marks["floor"] = outcome.floor
    if outcome.ceiling is not None:
        marks["ceiling"] = outcome.ceiling
    least, most = min(marks.values()), max(marks.values())
    scale = (_WIDTH - 2 * _PAD) / ((most - least) or 1.0)
    return {name: round(_PAD + (value - least) * scale, 1) for name, value in marks.items()}


def _cell(metric: Metric | None, digits: int = 3) -> str:
    return "–" if metric is None else metric.words(digits)
