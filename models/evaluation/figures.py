"""Figures of the evaluation report, as SVG text (drawn without any window system)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models.bone_reference import ScalesParams
from models.evaluation.findings import FINDINGS
from models.evaluation.measures import pairs
from models.evaluation.metric import Metric
from models.evaluation.report import Evaluation
from models.evaluation.roc import roc_curve

TITLES = {"bmd": "BMD (g/cm²)", "tbs": "TBS"}
_UNITS = {"bmd": "_g_cm2", "tbs": ""}
# Okabe and Ito's colours, told apart by colour-blind readers; the marker says the vendor a second time.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = "osD^vPX"
_GREY = "#767676"
_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "osteogate",
    "svg.fonttype": "none",
}


def draw_figures(evaluation: Evaluation, scales: ScalesParams) -> dict[str, str]:
    """File name -> SVG text, in reading order."""
    with matplotlib.rc_context(_STYLE):
        return {name: _svg(figure) for name, figure in _figures(evaluation, scales)}


def _figures(evaluation: Evaluation, scales: ScalesParams) -> Iterator[tuple[str, Figure]]:
    test = evaluation.tables.patients[evaluation.tables.patients["split"] == "test"]
    yield "scatter.svg", _two(lambda axes, target: _scatter(axes, target, test, scales, evaluation))
    yield "bland_altman.svg", _two(lambda axes, target: _bland_altman(axes, target, test, evaluation))
    yield "roc.svg", _roc(evaluation, test, scales)
    yield "vendors.svg", _vendors(evaluation)


def _two(draw) -> Figure:  # type: ignore[no-untyped-def]
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    for axes, target in zip(figure.subplots(1, 2), TITLES, strict=True):
        draw(axes, target)
    return figure


def _by_vendor(axes: Axes, test: pd.DataFrame, x: np.ndarray, y: np.ndarray) -> None:
    for number, vendor in enumerate(sorted(test["vendor"].unique())):
        rows = (test["vendor"] == vendor).to_numpy()
        axes.scatter(
            x[rows],
            y[rows],
            s=30,
            alpha=0.85,
            color=_COLOURS[number % len(_COLOURS)],
            marker=_MARKERS[number % len(_MARKERS)],
            label=f"{vendor} (n={int(rows.sum())})",
            linewidths=0,
        )


def _scatter(
    axes: Axes, target: str, test: pd.DataFrame, scales: ScalesParams, evaluation: Evaluation
) -> None:
    data = pairs(test, target)
    ends = [min(data.truth.min(), data.predicted.min()), max(data.truth.max(), data.predicted.max())]
    axes.axline((ends[0], ends[0]), slope=1, color=_GREY, linewidth=0.8, label="identity")
    for finding in FINDINGS:
        if finding.target == target:
            axes.axvline(finding.reference_cut(scales), color=_GREY, linestyle=":", linewidth=0.9)
            cutoff = evaluation.report.frozen.patient[finding.name].value
            axes.axhline(cutoff, color=_GREY, linestyle="--", linewidth=0.9)
            axes.annotate(finding.name.replace("_", " "), (1.0, cutoff), xycoords=("axes fraction", "data"),
                          fontsize=7, color=_GREY, ha="right", va="bottom")  # fmt: skip
    _by_vendor(axes, test, data.truth, data.predicted)
    r = evaluation.report.patient[f"{target}.pearson_r"]
    axes.set(
        xlabel=f"{TITLES[target]} by DXA",
        ylabel=f"{TITLES[target]} estimated from CT",
        title=f"r {r.words()}",
    )
    if target == "bmd":
        axes.legend(fontsize=8, frameon=False, loc="upper left")


def _bland_altman(axes: Axes, target: str, test: pd.DataFrame, evaluation: Evaluation) -> None:
    data = pairs(test, target)
    _by_vendor(axes, test, (data.truth + data.predicted) / 2, data.predicted - data.truth)
    for name, style in (("bias", "-"), ("loa_low", "--"), ("loa_high", "--")):
        metric = evaluation.report.patient[f"{target}.{name}{_UNITS[target]}"]
        if metric.value is not None and metric.low is not None and metric.high is not None:
            axes.axhline(metric.value, color="black", linestyle=style, linewidth=0.9)
            axes.axhspan(metric.low, metric.high, color=_GREY, alpha=0.12, linewidth=0)
            axes.annotate(f"{metric.value:+.3f}", (1.0, metric.value), xycoords=("axes fraction", "data"),
                          fontsize=8, ha="right", va="bottom")  # fmt: skip
    axes.set(
        xlabel=f"mean of both, {TITLES[target]}",
        ylabel="estimate − DXA",
        title=f"{TITLES[target]}: bias and limits of agreement",
    )


def _roc(evaluation: Evaluation, test: pd.DataFrame, scales: ScalesParams) -> Figure:
    figure = Figure(figsize=(10, 3.9), layout="constrained")
    beside = {
        "network": test,
        **{
            title: rows[rows["split"] == "test"]
            for name, title in (("hu", "HU alone"), ("age_sex", "age and sex"))
            if (rows := evaluation.baselines.get(name)) is not None
        },
    }
    for axes, finding in zip(figure.subplots(1, 3), FINDINGS, strict=True):
        axes.plot([0, 1], [0, 1], color=_GREY, linewidth=0.6, linestyle=":")
        for number, (title, rows) in enumerate(beside.items()):
            data = pairs(rows, finding.target)
            positive = finding.truth(data.truth, scales)
            if positive.any() and not positive.all():
                false_share, true_share = roc_curve(positive, -data.predicted)
                axes.plot(false_share, true_share, color=_COLOURS[number], linewidth=2 if number == 0 else 1.1,
                          label=title)  # fmt: skip
        metrics = evaluation.report.patient
        sensitivity, specificity = (
            metrics[f"{finding.name}.{part}"] for part in ("sensitivity", "specificity")
        )
        if sensitivity.value is not None and specificity.value is not None:
            axes.plot(1 - specificity.value, sensitivity.value, "o", color="black", markersize=7,
                      label="frozen cut-off")  # fmt: skip
        axes.set(
            title=f"{finding.title}\nAUC {_short(metrics[f'{finding.name}.auc'])}",
            xlabel="1 − specificity",
            aspect="equal",
        )
        axes.title.set_fontsize(9.5)
    figure.axes[0].set_ylabel("sensitivity")
    figure.axes[0].legend(fontsize=8, frameon=False, loc="lower right")
    return figure


def _vendors(evaluation: Evaluation) -> Figure:
    """Calibration by vendor: bias and slope, each with its interval."""
    by_vendor = {"all": evaluation.report.patient, **evaluation.report.by_vendor}
    figure = Figure(figsize=(10, 1.6 + 0.32 * len(by_vendor)), layout="constrained")
    for axes, (title, name, ideal) in zip(
        figure.subplots(1, 4, sharey=True),
        (
            ("bias, BMD (g/cm²)", "bmd.bias_g_cm2", 0.0),
            ("calibration slope, BMD", "bmd.calibration_slope", 1.0),
            ("bias, TBS", "tbs.bias", 0.0),
            ("calibration slope, TBS", "tbs.calibration_slope", 1.0),
        ),
        strict=True,
    ):
        axes.axvline(ideal, color=_GREY, linewidth=0.8)
        for row, metrics in enumerate(by_vendor.values()):
            metric = metrics[name]
            if metric.value is not None and metric.low is not None and metric.high is not None:
                axes.plot([metric.low, metric.high], [row, row], color="black", linewidth=1.2)
                axes.plot(metric.value, row, "o", color=_COLOURS[0], markersize=6)
        axes.set_title(title, fontsize=9.5)
    # A handful of patients can have a slope interval so wide that no other could be seen beside it.
    for axes in (figure.axes[1], figure.axes[3]):
        low, high = axes.get_xlim()
        axes.set_xlim(max(low, -1.0), min(high, 3.0))
    labels = [f"{name} (n={metrics['bmd.bias_g_cm2'].n})" for name, metrics in by_vendor.items()]
    figure.axes[0].set_yticks(range(len(labels)), labels)
    figure.axes[0].invert_yaxis()
    return figure


def _short(metric: Metric) -> str:
    return "not defined" if metric.value is None else metric.words()


def _svg(figure: Figure) -> str:
    target = io.StringIO()
    figure.savefig(target, format="svg", metadata={"Date": None})
    text = target.getvalue()
    return text[text.index("<svg") :]
