"""The evaluation report as one self-contained page: no script, nothing fetched, every number from report.json."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources

from jinja2 import Environment

from models.evaluation.baselines import BASELINES, CEILING
from models.evaluation.drawing import data_uri, inline_svg
from models.evaluation.figures import CAPTIONS
from models.evaluation.findings import FINDINGS
from models.evaluation.metric import Metric
from models.evaluation.page_rows import COMPARED, DIMENSIONS, GROUPED, HEADLINES, RULES, SUMMARY
from models.evaluation.plain_words import brackets, plain_words
from models.evaluation.published import PublishedFigure
from models.evaluation.report_file import EvaluationReport


def render(report: EvaluationReport, figures: Mapping[str, str]) -> str:
    """The page.

    Parameters
    ----------
    figures
        File name -> SVG text, as `models.evaluation.figures.draw_figures` answers.
    """
    template = resources.files("models.evaluation").joinpath("report.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.globals |= {"cell": cell, "paper_cell": paper_cell}
    environment.filters["words"] = spoken
    shown = [baseline for baseline in (*BASELINES, CEILING) if baseline.name in report.baselines]
    return environment.from_string(template).render(
        report=report,
        headlines=HEADLINES,
        summary=SUMMARY,
        compared=COMPARED,
        grouped=GROUPED,
        rules=RULES,
        dimensions=DIMENSIONS,
        baselines=shown,
        sentences=plain_words(report),
        brackets=brackets(report),
        methods=_methods(report),
        figures={name: (CAPTIONS[name], inline_svg(text)) for name, text in figures.items()},
        facts=data_uri("application/json", report.model_dump_json(indent=2)),
    )


def cell(metrics: Mapping[str, Metric] | None, name: str, digits: int) -> str:
    """'0.81 [0.69, 0.89]', '–' where there is no such metric, or why it is not defined."""
    metric = (metrics or {}).get(name)
    if metric is None:
        return "–"
    words = metric.words(digits)
    # an interval is not torn apart by the end of a line
    return words if metric.value is None else words.replace(", ", ",\u00a0")


def spoken(name: str) -> str:
    """'osteopenia.auc' -> 'osteopenia or worse AUC', 'tbs.pearson_r' -> 'TBS pearson r'."""
    for finding in FINDINGS:
        if name.partition(".")[0] == finding.name:
            name = name.replace(finding.name, finding.title, 1)
    words = name.replace("_", " ").replace(".", " ").split()
    return " ".join(word.upper() if word in ("tbs", "bmd", "hu", "auc") else word for word in words)


def paper_cell(figures: Mapping[str, PublishedFigure], name: str) -> str:
    figure = figures.get(name)
    if figure is None:
        return "–"
    if figure.low is None or figure.high is None:
        return f"{figure.value:.2f}"
    return f"{figure.value:.2f} [{figure.low:.2f},\u00a0{figure.high:.2f}]"


def _methods(report: EvaluationReport) -> dict[str, list[str]]:
    """How each number and its interval was computed -> titles of the metrics it was used for."""
    titles = {name: title for name, title, _ in SUMMARY}
    found: dict[str, list[str]] = {}
    for name, metric in report.patient.items():
        if name in titles:
            found.setdefault(metric.method, []).append(titles[name])
    return found
