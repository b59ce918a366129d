"""Figures of decisions: ROC with the frozen cut-offs, decision curves, number needed to scan."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models.bone_reference import ScalesParams
from models.evaluation.drawing import COLOURS, GREY, sheet
from models.evaluation.findings import FINDINGS
from models.evaluation.measures import known, pairs
from models.evaluation.report import Evaluation
from models.evaluation.report_file import Curve, DecisionCurves, EvaluationReport
from models.evaluation.roc import roc_curve

STRATEGIES = {
    "network": ("network", COLOURS[0], "-"),
    "flag rule": ("flag rule", COLOURS[3], "-."),
    "hu": ("HU alone", COLOURS[1], "--"),
    "hu_age_sex_bmi": ("HU, age, sex, BMI", COLOURS[2], "--"),
    "everyone": ("everyone", GREY, ":"),
    "nobody": ("nobody", "black", ":"),
}


def roc(evaluation: Evaluation, test: pd.DataFrame, scales: ScalesParams) -> Figure:
    """One panel a finding."""
    figure = sheet(10, 4.1)
    beside = {
        "network": test,
        **{
            title: rows[rows["split"] == "test"]
            for name, title in (("hu", "HU alone"), ("age_sex", "age and sex"))
            if (rows := evaluation.baselines.get(name)) is not None
        },
    }
    metrics = evaluation.report.patient
    for axes, finding in zip(figure.subplots(1, 3), FINDINGS, strict=True):
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.6, linestyle=":")
        for number, (title, rows) in enumerate(beside.items()):
            data = pairs(known(rows, finding.target), finding.target)
            positive = finding.truth(data.truth, scales)
            if positive.any() and not positive.all():
                false_share, true_share = roc_curve(positive, -data.predicted)
                width = 2 if number == 0 else 1.1
                axes.plot(false_share, true_share, color=COLOURS[number], linewidth=width, label=title)
        sensitivity, specificity = (
            metrics[f"{finding.name}.{part}"].value for part in ("sensitivity", "specificity")
        )
        if sensitivity is not None and specificity is not None:
            axes.plot(1 - specificity, sensitivity, "o", color="black", markersize=7, label="frozen cut-off")
        auc = metrics[f"{finding.name}.auc"]
        axes.set_title(
            f"{finding.title}\nAUC {'not defined' if auc.value is None else auc.words()}", fontsize=9.5
        )
        axes.set(xlabel="1 − specificity", aspect="equal")
    figure.axes[0].set_ylabel("sensitivity")
    figure.axes[0].legend(fontsize=8, frameon=False, loc="lower right")
    return figure


def decision_curve(report: EvaluationReport) -> Figure:
    """Net benefit for any finding and for osteoporosis, and DXA scans per patient found."""
    figure = sheet(10, 4.3)
    left, middle, right = figure.subplots(1, 3)
    for axes, name in ((left, "any"), (middle, "osteoporosis")):
        curves = report.decision_curves.get(name)
        if curves is None or curves.reason is not None:
            _absent(axes, curves)
            continue
        _lines(axes, curves.net_benefit)
        tops = [
            max((y for y in curve.y if y is not None), default=0.0) for curve in curves.net_benefit.values()
        ]
        axes.set_ylim(-0.1 * max(tops), 1.1 * max(tops) or 1.0)
        axes.set(xlabel="threshold probability", ylabel="net benefit per patient")
        axes.set_title(f"{curves.title} ({curves.positives} of {curves.n})", fontsize=9.5)
    left.legend(fontsize=7.5, frameon=False)
    curves = report.decision_curves.get("osteoporosis")
    if curves is None or curves.reason is not None:
        _absent(right, curves)
        return figure
    _lines(right, curves.number_needed_to_scan)
    right.set(xlabel="sensitivity", ylabel="DXA scans per patient found")
    right.set_ylim(bottom=0)
    right.set_title(f"scans needed: {curves.title}", fontsize=9.5)
    return figure


def _lines(axes: Axes, curves: dict[str, Curve]) -> None:
    for name, curve in curves.items():
        title, colour, dash = STRATEGIES.get(name, (name, GREY, "-"))
        values = np.array([np.nan if value is None else value for value in curve.y])
        if len(curve.x) == 1:
            axes.plot(curve.x, values, "o", color=colour, label=title, markersize=6)
            continue
        axes.plot(
            curve.x,
            values,
            color=colour,
            linestyle=dash,
            label=title,
            linewidth=1.6 if name == "network" else 1.1,
        )


def _absent(axes: Axes, curves: DecisionCurves | None) -> None:
    axes.set_axis_off()
    axes.text(
        0.5, 0.5, "no curve" if curves is None else str(curves.reason), ha="center", wrap=True, fontsize=9
    )
