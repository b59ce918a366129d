"""The evaluation report as one self-contained page: no script, nothing fetched."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from importlib import resources

from jinja2 import Environment

from models.evaluation.baselines import BASELINES
from models.evaluation.metric import Metric
from models.evaluation.published import PublishedFigure
from models.evaluation.report_file import EvaluationReport

# Metric, words for people, digits.
SUMMARY_ROWS: tuple[tuple[str, str, int], ...] = (
    ("bmd.pearson_r", "BMD: Pearson r", 2),
    ("bmd.mae_g_cm2", "BMD: mean absolute error (g/cm²)", 3),
    ("bmd.rmse_g_cm2", "BMD: root mean square error (g/cm²)", 3),
    ("bmd.bias_g_cm2", "BMD: bias (g/cm²)", 3),
    ("bmd.loa_low_g_cm2", "BMD: lower limit of agreement (g/cm²)", 3),
    ("bmd.loa_high_g_cm2", "BMD: upper limit of agreement (g/cm²)", 3),
    ("bmd.calibration_slope", "BMD: calibration slope", 2),
    ("bmd.interval_coverage", "BMD: coverage of the prediction interval", 2),
    ("tbs.pearson_r", "TBS: Pearson r", 2),
    ("tbs.partial_r_given_hu", "TBS: partial r given trabecular HU", 2),
    ("tbs.mae", "TBS: mean absolute error", 3),
    ("tbs.rmse", "TBS: root mean square error", 3),
    ("tbs.bias", "TBS: bias", 3),
    ("tbs.loa_low", "TBS: lower limit of agreement", 3),
    ("tbs.loa_high", "TBS: upper limit of agreement", 3),
    ("tbs.calibration_slope", "TBS: calibration slope", 2),
    ("tbs.interval_coverage", "TBS: coverage of the prediction interval", 2),
    *(
        (f"{finding}.{part}", f"{title}: {words}", 2)
        for finding, title in (
            ("osteopenia", "Osteopenia or worse (T ≤ −1)"),
            ("osteoporosis", "Osteoporosis (T ≤ −2.5)"),
            ("impaired_tbs", "Impaired microarchitecture"),
        )
        for part, words in (("auc", "AUC"), ("sensitivity", "sensitivity"), ("specificity", "specificity"))
    ),
    ("flag.share", "Answers: share flagged", 2),
    ("flag.osteopenia_flagged", "Answers: flagged of those with osteopenia or worse", 2),
    ("flag.osteoporosis_flagged", "Answers: flagged of those with osteoporosis", 2),
    ("flag.impaired_tbs_flagged", "Answers: flagged of those with impaired microarchitecture", 2),
    ("flag.healthy_not_flagged", "Answers: not flagged of those with none of the three", 2),
)
COMPARED = (
    ("bmd.pearson_r", "BMD r", 2),
    ("bmd.mae_g_cm2", "BMD MAE", 3),
    ("tbs.pearson_r", "TBS r", 2),
    ("tbs.mae", "TBS MAE", 3),
    ("osteopenia.auc", "AUC osteopenia or worse", 2),
    ("osteoporosis.auc", "AUC osteoporosis", 2),
    ("impaired_tbs.auc", "AUC impaired TBS", 2),
)
CAPTIONS = {
    "scatter.svg": (
        "Estimate against DXA, one point per test patient. Dotted: published cuts; dashed: frozen cut-offs."
    ),
    "bland_altman.svg": "Bland-Altman: bias and 95 % limits of agreement, each with its interval (grey).",
    "roc.svg": "ROC curves of the network and of two baselines; the dot is the cut-off frozen beforehand.",
    "vendors.svg": "Calibration by vendor: bias (ideal 0) and slope of DXA on estimate (ideal 1), with intervals.",
}


def render(report: EvaluationReport, figures: Mapping[str, str]) -> str:
    """The page.

    Parameters
    ----------
    figures
        File name -> SVG text, as `models.evaluation.figures.draw_figures` answers.
    """
    template = resources.files("models.evaluation").joinpath("report.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.globals |= {"cell": _cell, "paper_cell": _paper_cell}
    return environment.from_string(template).render(
        report=report,
        summary=SUMMARY_ROWS,
        compared=COMPARED,
        baselines=BASELINES,
        figures=[(name, CAPTIONS.get(name, name), _inline(text)) for name, text in figures.items()],
    )


def _cell(metrics: Mapping[str, Metric], name: str, digits: int) -> str:
    metric = metrics.get(name)
    return "–" if metric is None else _together(metric.words(digits))


def _paper_cell(figures: Mapping[str, PublishedFigure], name: str) -> str:
    figure = figures.get(name)
    if figure is None:
        return "–"
    if figure.low is None or figure.high is None:
        return f"{figure.value:.2f}"
    return _together(f"{figure.value:.2f} [{figure.low:.2f}, {figure.high:.2f}]")


def _together(words: str) -> str:
    """An interval is not torn apart by the end of a line."""
    return words if words.startswith("not defined") else words.replace(", ", ",\u00a0")


def _inline(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode("utf-8")).decode("ascii")
