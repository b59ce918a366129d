"""The decision page says why in words, with the numbers, and fetches nothing."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from components.gate_promotion.decide import decide, with_word
from components.gate_promotion.outcome import GateDecision, Word
from components.gate_promotion.page import in_words, render
from components.gate_promotion.policy import GatePolicy
from models.evaluation.report_file import EvaluationReport
from tests import simulated_predictions as simulated

VOID = {"meta", "line", "circle", "br"}


class _Balanced(HTMLParser):
    """Every element that is opened is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def _text(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page.partition("</style>")[2]).split())


@pytest.fixture(scope="module")
def refused(judge, beside, production: GatePolicy) -> tuple[GateDecision, EvaluationReport, EvaluationReport]:
    champion = judge(simulated.of_quality(0.90, 0.70), 11, 150, 60, "d")
    challenger = beside(judge(simulated.of_quality(0.70, 0.40), 11, 150, 60, "f"), champion)
    return decide(challenger, champion, production, name="production"), challenger, champion


def test_a_refusal_says_why_with_numbers_and_what_would_have_to_change(
    refused: tuple[GateDecision, EvaluationReport, EvaluationReport],
) -> None:
    decision, challenger, champion = refused
    page = render(*refused, run_id="run-1")
    text = _text(page)
    assert text.startswith("Measured on simulated phantoms - not clinical evidence")
    assert "Refused" in text
    assert "because of: BMD: correlation with DXA, r" in text
    assert "What would have to change" in text
    r = challenger.patient["bmd.pearson_r"]
    assert f"{r.words()}, n=150; lower bound {r.low:.3f} is not above 0.70" in text
    # both figures, and their difference with its interval
    assert challenger.versus_champion is not None
    difference = challenger.versus_champion.difference["bmd.pearson_r"]
    for metric in (challenger.patient["bmd.pearson_r"], champion.patient["bmd.pearson_r"], difference):
        assert metric.words(3) in text
    for rule in decision.rules:
        assert text.count(rule.verdict) >= 1
    assert "osteogate approve" not in text


def test_every_rule_stands_on_the_page_and_the_page_fetches_nothing(
    refused: tuple[GateDecision, EvaluationReport, EvaluationReport],
) -> None:
    page = render(*refused, run_id="run-1")
    assert page.count('<td class="verdict') == len(refused[0].rules)
    assert not re.search(r"(src|href)=|url\(|@import|<script|https?://", page)
    checked = _Balanced()
    checked.feed(page)
    assert checked.open == []


def test_what_awaits_a_person_names_the_commands_and_what_was_said_is_shown(judge, demo: GatePolicy) -> None:
    report = judge(simulated.of_quality(0.96, 0.85), 21, 60, 40, "b")
    awaiting = decide(report, None, demo, name="demo", approval="person")
    text = _text(render(awaiting, report, None, run_id="run-7"))
    assert "awaiting a person" in text
    assert "osteogate approve run-7 --by NAME" in text
    assert "There is no champion" in text
    word = Word(action="rejected", at="2026-11-23T08:00:00+00:00", by="<b>A</b>", account="am", why="a & b")
    said = render(with_word(awaiting, word), report, None, run_id="run-7")
    assert "&lt;b&gt;A&lt;/b&gt;" in said
    assert "a &amp; b" in said
    assert "rejected it at 2026-11-23T08:00:00+00:00" in in_words(with_word(awaiting, word))
    approved = with_word(awaiting, word.model_copy(update={"action": "approved", "why": None}))
    assert "Approved by" in in_words(approved)
