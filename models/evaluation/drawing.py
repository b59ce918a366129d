"""How figures are drawn: one style, SVG text for pages, and whose patients were in those of the report."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from models.evaluation.metric import Metric

TITLES = {"bmd": "BMD (g/cm²)", "tbs": "TBS"}
UNITS = {"bmd": "_g_cm2", "tbs": ""}
# Okabe and Ito's colours, told apart by colour-blind readers; the marker or dash says it a second time.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vPX"
GREY = "#767676"
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "osteogate",
    "svg.fonttype": "none",
}


def sheet(width: float, height: float) -> Figure:
    """A figure of this size in inches."""
    return Figure(figsize=(width, height), layout="constrained")


def table_sheet(width: float, height: float) -> Figure:
    """A figure with room for long labels on its left, laid out by hand, which is quicker for many rows."""
    figure = Figure(figsize=(width, height))
    figure.subplots_adjust(left=0.29, right=0.985, top=1 - 0.35 / height, bottom=0.6 / height, wspace=0.14)
    return figure


def two(draw: Callable[[Axes, str], None], height: float = 4.6) -> Figure:
    """BMD on the left, TBS on the right."""
    figure = sheet(10, height)
    for axes, target in zip(figure.subplots(1, 2), TITLES, strict=True):
        draw(axes, target)
    return figure


def by_vendor(axes: Axes, test: pd.DataFrame, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    """One point per row of `test`, coloured and marked by vendor."""
    many = len(test) > 150
    for number, vendor in enumerate(sorted(test["vendor"].unique())):
        rows = (test["vendor"] == vendor).to_numpy()
        axes.scatter(
            x[rows],
            y[rows],
            s=11 if many else 30,
            alpha=0.55 if many else 0.85,
            color=COLOURS[number % len(COLOURS)],
            marker=MARKERS[number % len(MARKERS)],
            label=f"{vendor} (n={int(rows.sum())})",
            linewidths=0,
        )


def whisker(axes: Axes, metric: Metric | None, row: float, colour: str = COLOURS[0]) -> bool:
    """A point with its interval at height `row`; False where the metric is not defined."""
    if metric is None or metric.value is None or metric.low is None or metric.high is None:
        return False
    axes.plot([metric.low, metric.high], [row, row], color="black", linewidth=1.1)
    axes.plot(metric.value, row, "o", color=colour, markersize=5)
    return True


def svg(figure: Figure, statement: str) -> str:
    """SVG text, with the statement of what was measured on below the figure."""
    place = {"y": 0.01} if figure.get_layout_engine() is None else {}
    figure.supxlabel(statement, fontsize=8, color="#7a3e00", x=0.985, ha="right", **place)
    text = svg_text(figure)
    return text[text.index("<svg") :]


def svg_text(figure: Figure) -> str:
    """SVG text with its XML prologue; the same figure gives the same text on any day."""
    target = io.StringIO()
    figure.savefig(target, format="svg", metadata={"Date": None})
    return target.getvalue()


def inline_svg(text: str) -> str:
    """SVG text as the source of an image inside a self-contained page."""
    return data_uri("image/svg+xml", text)


def data_uri(kind: str, text: str) -> str:
    """Text of a media type as a `data:` address."""
    return f"data:{kind};base64," + base64.b64encode(text.encode("utf-8")).decode("ascii")
