"""The model card: it says what it must, and no number on it is its own."""

from __future__ import annotations

import json
import re
from importlib import resources

import pytest

from components.gate_promotion.policy import GateParams
from models.errors import ParameterError
from models.evaluation.metric import Metric
from models.evaluation.plain_words import plain_words
from models.evaluation.report import Evaluation
from models.evaluation.saliency_facts import SaliencyFacts, Seen
from models.model_card.render import render_card
from models.model_card.training_facts import TrainingFacts
from models.params import load_section
from pipelines.policy_demands import acceptance
from tests import simulated_predictions as simulated
from tests.html_tables import tables_and_prose
from tests.page_tables import agrees, cells
from tests.small_evaluation import PARAMS_FILE, evaluated

GATE = load_section(PARAMS_FILE, "gate", GateParams)
NUMBER = re.compile(r"\d+(?:\.\d+)?")
TRAINING = TrainingFacts(
    "resnet50", 96, 64.0, 3, "v1", "simulated", "c0ffee", "a" * 64, 11, {"train": 60, "validation": 12}
)


def _ratio(value: float) -> Metric:
    return Metric(value=value, low=value - 0.7, high=value + 0.9, n=28, method="ratio")


SALIENCY = SaliencyFacts(
    body="a body of typical size",
    body_area_share=0.287,
    seen=Seen(side_mm=48.0, crop_mm=64.0, body_area_share=0.511),
    replacements={"average": "the mean of all others", "donor": "another patient"},
    metrics={
        f"{target}.{name}": _ratio(value)
        for target in ("bmd", "tbs")
        for name, value in (("average", 4.21), ("donor", 2.11))
    },
    attributed_inside={"bmd": 0.64, "tbs": 0.77},
    integration_error={"bmd": 0.0041, "tbs": 0.0068},
)


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return evaluated(simulated.crops(1, simulated.of_quality(0.87, 0.55)), test_looks=7)


def _card(evaluation: Evaluation, policy: str | None = "production") -> str:
    demands = None if policy is None else acceptance(GATE, policy, evaluation.report)
    return render_card(evaluation.report, evaluation.rules, TRAINING, demands)


def _text(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL))


def test_it_says_what_a_model_card_must(evaluation: Evaluation) -> None:
    text = _text(_card(evaluation))
    for words in (
        "Measured on simulated phantoms - not clinical evidence",
        "Intended use",
        "Out of scope",
        "simulated phantoms",
        "Limits",
        "Description of modifications",
        "Modification protocol",
        "Impact assessment",
        "Marketing Submission Recommendations for a Predetermined Change Control Plan",
        "December 2024",
        "Ruling out low bone density: it does not",
        "looked at 7 times",
    ):
        assert words in text, words
    assert evaluation.report.patient["bmd.pearson_r"].words(2) in text.replace("\u00a0", " ")
    for group, found in evaluation.report.subgroups["sex"].items():
        assert f"{group} {found.n} " in text


def test_the_policy_stands_in_its_numbers(evaluation: Evaluation) -> None:
    policy = GATE.policy("production")
    text = _text(_card(evaluation))
    assert f"above {policy.rules['bmd.pearson_r'].above:.2f}" in text
    assert f"above -{policy.champion['bmd.pearson_r'].margin:.2f}" in text
    assert len(acceptance(GATE, "production", evaluation.report).demands) == len(policy.keys)
    with pytest.raises(ParameterError, match="strict"):
        acceptance(GATE, "strict", evaluation.report)


def test_every_cell_shows_the_metric_that_its_heads_name(evaluation: Evaluation) -> None:
    facts = json.loads(evaluation.report.model_dump_json())
    found = [cell for table in tables_and_prose(_card(evaluation))[0] for cell in cells(table, facts)]
    assert [cell for cell in found if not agrees(cell.shown, cell.wanted)] == []
    assert [cell for cell in found if agrees("0.87 [0.80, 0.90]", cell.wanted)] == []
    assert sum(isinstance(cell.wanted, dict) for cell in found) > 60


def test_the_gates_table_shows_this_models_metrics(evaluation: Evaluation) -> None:
    (table,) = [table for table in tables_and_prose(_card(evaluation))[0] if table.heads[0] == "Rule"]
    demands = acceptance(GATE, "production", evaluation.report).demands
    for (rule, _, shown), demand in zip(table.rows, demands, strict=True):
        assert rule == demand.rule
        assert agrees(shown, demand.metric and demand.metric.model_dump()), rule


def _unaccounted(page: str, evaluation: Evaluation) -> set[str]:
    """Numbers outside of tables and of plain words that nobody gave."""
    template = resources.files("models.model_card").joinpath("model_card.html.j2").read_text(encoding="utf-8")
    fixed = set(NUMBER.findall(_text(re.sub(r"\{\{.*?\}\}|\{%.*?%\}", " ", template, flags=re.DOTALL))))
    prose = tables_and_prose(page)[1]
    report = evaluation.report
    for sentence in (*plain_words(report), *report.notes):
        assert sentence in prose, sentence
        prose = prose.replace(sentence, " ")
    given = (
        report.model_dump_json(
            include={"counts", "frozen", "confidence", "test_looks", "scales", "reference"}
        ),
        report.model.version,
        repr(evaluation.rules),
        repr(TRAINING),
    )
    ways = {"98.75"}  # % confidence of the worst of four vendors: 100 - 5 / 4
    for token in NUMBER.findall(" ".join(given)):
        ways |= {token, f"{float(token):.0f}", f"{float(token) * 100:.0f}"}
    return set(NUMBER.findall(prose)) - ways - fixed


def test_every_number_outside_of_tables_is_given(evaluation: Evaluation) -> None:
    page = _card(evaluation)
    assert _unaccounted(page, evaluation) == set()
    assert _unaccounted(page.replace("</h1>", "</h1><p>r 0.87</p>"), evaluation) == {"0.87"}


def test_both_replacements_stand_on_the_card_with_their_intervals(evaluation: Evaluation) -> None:
    report = evaluation.report.model_copy(update={"saliency": SALIENCY})
    page = render_card(report, evaluation.rules, TRAINING)
    (table,) = [table for table in tables_and_prose(page)[0] if table.heads[0] == "Replaced by"]
    facts = json.loads(report.model_dump_json())
    found = list(cells(table, facts))
    assert [cell for cell in found if not agrees(cell.shown, cell.wanted)] == []
    assert [row[1] for row in table.rows] == ["4.2 [3.5, 5.1]", "2.1 [1.4, 3.0]"]
    assert "a square of 48 mm about the body. The body covers 51 % of that square" in _text(page)


def test_on_a_sites_own_patients_it_does_not_speak_of_phantoms_judged(evaluation: Evaluation) -> None:
    report = evaluation.report.model_copy(
        update={"data_kind": "site", "statement": "Measured on this site's own patients"}
    )
    text = _text(render_card(report, evaluation.rules, TRAINING))
    assert "The test patients are this site's own" in text
    assert "The model itself was trained on simulated phantoms." in text
    assert "The test patients are simulated phantoms" not in text
