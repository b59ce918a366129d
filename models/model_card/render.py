"""The model card as one self-contained page, from the evaluation report, decision.json and model.json.

Its parts follow Mitchell et al., Model Cards for Model Reporting (FAT* 2019); its last part follows what the FDA asks
of a predetermined change control plan (guidance of December 2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import NamedTuple

from jinja2 import Environment

from models.decision import DecisionRules
from models.evaluation.html import cell, paper_cell, spoken
from models.evaluation.metric import Metric
from models.evaluation.page_rows import DIMENSIONS, GROUPED, HEADLINES
from models.evaluation.plain_words import brackets, plain_words
from models.evaluation.report_file import EvaluationReport
from models.model_card.training_facts import TrainingFacts

FILE = "model_card.html"


class Demand(NamedTuple):
    """One rule of the gate in words, and the metric of this model that it is about."""

    rule: str
    words: str
    metric: Metric | None


@dataclass(frozen=True)
class Acceptance:
    """What a changed model must reach before it may replace this one.

    Attributes
    ----------
    policy
        Its name in params.yaml.
    approval
        Who lets a model through that meets them.
    """

    policy: str
    demands: Sequence[Demand]
    approval: str


def render_card(
    report: EvaluationReport,
    rules: DecisionRules,
    training: TrainingFacts,
    acceptance: Acceptance | None = None,
) -> str:
    """The page.

    Parameters
    ----------
    report, rules
        Of the evaluation that the card speaks of.
    training
        How the model came about.
    acceptance
        The gate's policy; without it the card says where the policy stands.
    """
    template = resources.files("models.model_card").joinpath("model_card.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.globals |= {"cell": cell, "paper_cell": paper_cell}
    environment.filters["spoken"] = spoken
    return environment.from_string(template).render(
        report=report,
        rules=rules,
        training=training,
        acceptance=acceptance,
        headlines=HEADLINES,
        grouped=GROUPED,
        dimensions=DIMENSIONS,
        sentences=plain_words(report),
        brackets=brackets(report),
    )
