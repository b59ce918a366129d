"""Figures of the study's page, as SVG text."""

from __future__ import annotations

from typing import Any

import matplotlib
from matplotlib.figure import Figure

from models.evaluation.drawing import STYLE, svg
from models.evaluation.metric import Metric
from pipelines.study.study_file import StudyResult

WHO = (
    ("network", "network (CT)", "#0072B2", "o"),
    ("hu", "trabecular HU", "#E69F00", "s"),
    ("hu_age_sex_bmi", "HU with age, sex, BMI", "#D55E00", "D"),
    ("ceiling", "ceiling (drawn parameters)", "#767676", "^"),
)


def draw(result: StudyResult) -> dict[str, str]:
    """Title -> SVG text."""
    with matplotlib.rc_context(STYLE):
        figures = {}
        if result.tests:
            figures[
                "Pearson r with its 95 % interval on each test cohort: the network, today's practice, and a "
                "linear regression on the phantoms' drawn parameters (ceiling; not a strict bound)."
            ] = svg(_correlations(result), result.statement)
        if result.left_out:
            figures[
                "Change in r on a vendor's test patients when that vendor was left out of training, with its 95 % "
                "interval (paired bootstrap)."
            ] = svg(_vendors(result), result.statement)
        return figures


def _correlations(result: StudyResult) -> Figure:
    figure = Figure(figsize=(10, 1.6 + 0.85 * len(result.tests)), layout="constrained")
    for axes, target in zip(figure.subplots(1, 2, sharey=True), ("bmd", "tbs"), strict=True):
        for row, test in enumerate(result.tests):
            for place, (name, title, colour, marker) in enumerate(WHO):
                metrics = test.metrics if name == "network" else test.baselines.get(name, {})
                label = title if row == 0 else None
                _point(
                    axes,
                    metrics.get(f"{target}.pearson_r"),
                    row + 0.18 * (place - 1.5),
                    colour,
                    marker,
                    label,
                )
        axes.set_xlabel(f"{target.upper()}: Pearson r")
        axes.set_yticks(range(len(result.tests)), [test.name for test in result.tests])
        axes.set_ylim(len(result.tests) - 0.5, -0.5)
        axes.grid(axis="x", color="#e3e3e3")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False)
    return figure


def _vendors(result: StudyResult) -> Figure:
    figure = Figure(figsize=(10, 1.2 + 0.4 * len(result.left_out)), layout="constrained")
    least = min((item.least for item in result.left_out_requirements if item.least is not None), default=None)
    for axes, target in zip(figure.subplots(1, 2, sharey=True), ("bmd", "tbs"), strict=True):
        for row, vendor in enumerate(result.left_out):
            _point(axes, vendor.difference[target], row, "#0072B2", "o", None)
        axes.axvline(0, color="#767676", linewidth=0.8)
        if least is not None:
            axes.axvline(least, color="#D55E00", linewidth=0.8, linestyle="--")
        axes.set_xlabel(f"{target.upper()}: change in r")
        axes.set_yticks(range(len(result.left_out)), [vendor.vendor for vendor in result.left_out])
        axes.set_ylim(len(result.left_out) - 0.5, -0.5)
    return figure


def _point(axes: Any, metric: Metric | None, y: float, colour: str, marker: str, label: str | None) -> None:
    if metric is None or metric.value is None:
        return
    axes.plot([metric.low, metric.high], [y, y], color=colour, linewidth=1.6)
    axes.plot([metric.value], [y], marker, color=colour, markersize=6, label=label)
