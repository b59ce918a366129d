"""The report's page: its numbers are the report's, it stands alone, and it fits a screen."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from models.evaluation.figures import CAPTIONS, draw_figures
from models.evaluation.html import render
from models.evaluation.metric import Metric
from models.evaluation.plain_words import plain_words
from models.evaluation.report import Evaluation
from models.evaluation.saliency_facts import SaliencyFacts, Seen
from tests import simulated_predictions as simulated
from tests.html_tables import tables_and_prose
from tests.page_tables import Cell, agrees, cells
from tests.small_evaluation import SCALES, evaluated

NUMBER = re.compile(r"\d+(?:\.\d+)?")
STRICT = {"98.75"}  # % confidence of the worst of four vendors: 100 - 5 / 4


def _ratio(value: float) -> Metric:
    return Metric(
        value=value, low=value - 0.7, high=value + 0.9, n=28, method="ratio, bootstrap over patients"
    )


SALIENCY = SaliencyFacts(
    body="a body of typical size",
    body_area_share=0.287,
    seen=Seen(side_mm=48.0, crop_mm=64.0, body_area_share=0.511),
    replacements={"average": "the mean of all others", "donor": "another patient"},
    metrics={f"{target}.{name}": _ratio(4.21) for target in ("bmd", "tbs") for name in ("average", "donor")},
    attributed_inside={"bmd": 0.64, "tbs": 0.77},
    integration_error={"bmd": 0.0041, "tbs": 0.0068},
)


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return evaluated(simulated.crops(1, simulated.of_quality(0.87, 0.55)), test_looks=7)


@pytest.fixture(scope="module")
def figures(evaluation: Evaluation) -> dict[str, str]:
    return draw_figures(evaluation, SCALES)


@pytest.fixture(scope="module")
def page(evaluation: Evaluation, figures: dict[str, str]) -> str:
    return render(evaluation.report.model_copy(update={"saliency": SALIENCY}), figures)


def _leaves(document: Any) -> Iterator[Any]:
    """What is neither a metric, a published figure nor a curve: those are checked where they stand."""
    if isinstance(document, dict):
        if {"value", "n"} <= set(document) or {"x", "y"} <= set(document):
            return
        for key, value in document.items():
            yield key
            yield from _leaves(value)
    elif isinstance(document, list):
        for value in document:
            yield from _leaves(value)
    else:
        yield document


def _other_numbers(document: dict[str, Any]) -> set[str]:
    """Every way in which a count, a cut or another number that is no metric may be printed, and those in words."""
    ways: set[str] = set()
    for leaf in _leaves({key: value for key, value in document.items() if key != "test_set_sha256"}):
        if isinstance(leaf, str):
            ways |= set(NUMBER.findall(leaf)) | set(NUMBER.findall(leaf[:12]))
        elif isinstance(leaf, int) and not isinstance(leaf, bool):
            ways.add(str(abs(leaf)))
        elif isinstance(leaf, float):
            ways |= {str(abs(leaf)), f"{abs(leaf):.3g}", *(f"{abs(leaf):.{digits}f}" for digits in range(4))}
            ways |= {f"{abs(leaf) * 100:.{digits}f}" for digits in range(2)}
    return ways


def _template_numbers() -> set[str]:
    text = resources.files("models.evaluation").joinpath("report.html.j2").read_text(encoding="utf-8")
    text = re.sub(r"<style>.*?</style>|\{\{.*?\}\}|\{%.*?%\}", " ", text, flags=re.DOTALL)
    return set(NUMBER.findall(re.sub(r"<[^>]+>", " ", text)))


def _facts(page: str) -> dict[str, Any]:
    found = re.search(r'href="data:application/json;base64,([^"]+)" download="report.json"', page)
    assert found
    facts: dict[str, Any] = json.loads(base64.b64decode(found[1]))
    return facts


def _unaccounted(page: str, evaluation: Evaluation) -> set[str]:
    """Numbers outside of tables and of plain words that are neither the report's nor the page's fixed text."""
    prose = tables_and_prose(page)[1]
    for sentence in plain_words(evaluation.report):
        assert sentence in prose, sentence
        prose = prose.replace(sentence, " ")
    fixed = _template_numbers() | STRICT | set(NUMBER.findall(" ".join(CAPTIONS.values())))
    return set(NUMBER.findall(prose)) - _other_numbers(_facts(page)) - fixed


def _cells(page: str) -> list[Cell]:
    facts = _facts(page)
    return [cell for table in tables_and_prose(page)[0] for cell in cells(table, facts)]


def test_every_cell_shows_the_metric_that_its_heads_name(page: str) -> None:
    found = _cells(page)
    assert [cell for cell in found if not agrees(cell.shown, cell.wanted)] == []
    assert sum(isinstance(cell.wanted, dict) for cell in found) > 200


def test_another_number_in_any_cell_would_be_noticed(page: str) -> None:
    for cell in _cells(page):
        for other in ("0.87", "0.87 [0.80, 0.90]"):
            assert not agrees(other, cell.wanted), cell


def test_a_column_under_the_wrong_head_would_be_noticed(page: str) -> None:
    turned = page.replace("<th>BMD coverage</th>", "<th>x</th>").replace(
        "<th>TBS coverage</th>", "<th>BMD coverage</th>"
    )
    wrong = [
        cell
        for cell in _cells(turned.replace("<th>x</th>", "<th>TBS coverage</th>"))
        if not agrees(*cell[1:])
    ]
    assert any("BMD coverage" in cell.place for cell in wrong)


def test_every_number_outside_of_tables_is_one_of_the_report(page: str, evaluation: Evaluation) -> None:
    assert _unaccounted(page, evaluation) == set()


def test_a_number_of_nobody_would_be_noticed(page: str, evaluation: Evaluation) -> None:
    marred = page.replace("</h1>", "</h1><p>r 0.87 in 314 patients</p>")
    assert _unaccounted(marred, evaluation) == {"0.87", "314"}


def test_the_facts_inside_the_page_are_the_report(evaluation: Evaluation, page: str) -> None:
    report = evaluation.report.model_copy(update={"saliency": SALIENCY})
    assert _facts(page) == json.loads(report.model_dump_json())


def test_the_page_is_self_contained_and_says_what_the_numbers_are(
    evaluation: Evaluation, figures: dict[str, str]
) -> None:
    page = render(evaluation.report, figures)
    assert "Measured on simulated phantoms - not clinical evidence" in page
    assert "Does not rule out low bone density" in page
    assert page.count("data:image/svg+xml;base64,") == len(figures)
    for fetched in ("<script", "http://", "https://", "@import", 'src="figures'):
        assert fetched not in page
    assert evaluation.report.patient["bmd.pearson_r"].words(2).replace(", ", ",\u00a0") in page
    assert "0.81 [0.69,\u00a00.89]" in page


def test_figures_are_the_same_for_the_same_data(evaluation: Evaluation, figures: dict[str, str]) -> None:
    assert draw_figures(evaluation, SCALES) == figures


def test_every_figure_says_whose_patients_they_were(evaluation: Evaluation, figures: dict[str, str]) -> None:
    assert {"scatter.svg", "bland_altman.svg", "calibration.svg", "group_answers.svg", "decision.svg"} <= set(
        figures
    )
    for name, svg in figures.items():
        assert evaluation.report.statement in svg, name


def test_the_page_fits_a_screen_without_network_and_shows_all_its_figures(
    page: str, figures: dict[str, str], tmp_path: Path
) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    (tmp_path / "report.html").write_text(page, encoding="utf-8")
    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-background-networking"]
        )
        tab = browser.new_page(viewport={"width": 1200, "height": 900})
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto((tmp_path / "report.html").as_uri())
        wide = tab.evaluate("document.documentElement.scrollWidth")
        drawn = tab.evaluate("[...document.images].map(image => image.naturalWidth > 0)")
        banner = tab.inner_text(".banner")
        tab.pdf(path=tmp_path / "report.pdf", format="A4")
        tab.emulate_media(media="print")
        tab.set_viewport_size({"width": 700, "height": 1000})  # A4 less its margins, at 96 pixels an inch
        print_wide = tab.evaluate("document.documentElement.scrollWidth")
        browser.close()
    assert wide <= 1200
    assert print_wide <= 700
    assert drawn == [True] * len(figures)
    assert "simulated phantoms" in banner
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert (tmp_path / "report.pdf").stat().st_size > 20_000
