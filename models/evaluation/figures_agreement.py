"""Figures of agreement between estimate and DXA: scatter, Bland-Altman, calibration."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from models.bone_reference import ScalesParams
from models.evaluation.drawing import COLOURS, GREY, TITLES, UNITS, by_vendor, two
from models.evaluation.findings import FINDINGS
from models.evaluation.measures import known, pairs
from models.evaluation.report_file import EvaluationReport

TENTHS = 10
FEWEST_IN_A_TENTH = 8  # with fewer patients, fewer and larger parts: a mean of three says nothing


def scatter(report: EvaluationReport, test: pd.DataFrame, scales: ScalesParams) -> Figure:
    """Estimate against DXA with identity line, published cuts and frozen cut-offs."""

    def draw(axes: Axes, target: str) -> None:
        rows = known(test, target)
        data = pairs(rows, target)
        lowest = min(data.truth.min(), data.predicted.min())
        axes.axline((lowest, lowest), slope=1, color=GREY, linewidth=0.8, label="identity")
        for finding in FINDINGS:
            if finding.target == target:
                axes.axvline(finding.reference_cut(scales), color=GREY, linestyle=":", linewidth=0.9)
                cutoff = report.frozen.patient[finding.name].value
                axes.axhline(cutoff, color=GREY, linestyle="--", linewidth=0.9)
                axes.annotate(
                    finding.title,
                    (1.0, cutoff),
                    xycoords=("axes fraction", "data"),
                    fontsize=7,
                    color=GREY,
                    ha="right",
                    va="bottom",
                )
        by_vendor(axes, rows, data.truth, data.predicted)
        axes.set(
            xlabel=f"{TITLES[target]} by DXA",
            ylabel=f"{TITLES[target]} estimated from CT",
            title=f"{TITLES[target]}: r {report.patient[f'{target}.pearson_r'].words()}",
        )
        if target == "bmd":
            axes.legend(fontsize=8, frameon=False, loc="upper left")

    return two(draw)


def bland_altman(report: EvaluationReport, test: pd.DataFrame) -> Figure:
    """Difference against mean, with bias and limits of agreement."""

    def draw(axes: Axes, target: str) -> None:
        rows = known(test, target)
        data = pairs(rows, target)
        by_vendor(axes, rows, (data.truth + data.predicted) / 2, data.predicted - data.truth)
        for name, style in (("bias", "-"), ("loa_low", "--"), ("loa_high", "--")):
            metric = report.patient[f"{target}.{name}{UNITS[target]}"]
            if metric.value is not None and metric.low is not None and metric.high is not None:
                axes.axhline(metric.value, color="black", linestyle=style, linewidth=0.9)
                axes.axhspan(metric.low, metric.high, color=GREY, alpha=0.18, linewidth=0)
                axes.annotate(
                    f"{metric.value:+.3f}",
                    (1.0, metric.value),
                    xycoords=("axes fraction", "data"),
                    fontsize=8,
                    ha="right",
                    va="bottom",
                )
        axes.set(
            xlabel=f"mean of both, {TITLES[target]}",
            ylabel="estimate − DXA",
            title=f"{TITLES[target]}: bias and limits of agreement",
        )

    return two(draw)


def calibration(report: EvaluationReport, test: pd.DataFrame) -> Figure:
    """Mean DXA value of up to ten parts of the patients (by estimate) with t intervals, and the regression line."""

    def draw(axes: Axes, target: str) -> None:
        data = pairs(known(test, target), target)
        lowest = min(data.truth.min(), data.predicted.min())
        axes.axline((lowest, lowest), slope=1, color=GREY, linewidth=0.8, label="ideal")
        order = np.argsort(data.predicted)
        parts = max(1, min(TENTHS, len(order) // FEWEST_IN_A_TENTH))
        for part in np.array_split(order, parts) if len(order) > 1 else []:
            mean, half = float(data.truth[part].mean()), _half_width(data.truth[part], report.confidence)
            place = float(data.predicted[part].mean())
            axes.plot([place, place], [mean - half, mean + half], color="black", linewidth=1)
            axes.plot(place, mean, "o", color=COLOURS[0], markersize=5)
        slope = report.patient[f"{target}.calibration_slope"]
        intercept = report.patient.get(f"{target}.calibration_intercept{UNITS[target]}")
        if slope.value is not None and intercept is not None and intercept.value is not None:
            ends = np.array([data.predicted.min(), data.predicted.max()])
            axes.plot(
                ends,
                intercept.value + slope.value * ends,
                color=COLOURS[1],
                linewidth=1.3,
                label="DXA on estimate",
            )
        axes.set(
            xlabel=f"{TITLES[target]} estimated from CT",
            ylabel=f"{TITLES[target]} by DXA",
            title=f"{TITLES[target]}: slope {slope.words()}",
        )
        if target == "bmd":
            axes.legend(fontsize=8, frameon=False, loc="upper left")

    return two(draw, 4.0)


def _half_width(values: np.ndarray, confidence: float) -> float:
    return float(
        stats.t.ppf((1 + confidence) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    )
