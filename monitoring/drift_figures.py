"""Figures of the drift page: each feature over the vendors, reference beside current."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from monitoring.features import FEATURES, Feature, Kind

REFERENCE_COLOUR = "#8a9ba8"
CURRENT_COLOUR = "#2b6ca3"
MOVED_COLOUR = "#c0392b"
SHADES = ("#2b6ca3", "#7fb069", "#e6aa68", "#8e6c8a", "#5c5c5c", "#c0b283")


@dataclass(frozen=True)
class Picture:
    """One figure, ready to be embedded.

    Attributes
    ----------
    source
        data: URI of an SVG.
    """

    title: str
    description: str
    source: str


def feature_figures(
    reference: pd.DataFrame, current: pd.DataFrame, moved: set[tuple[str, str]]
) -> tuple[Picture, ...]:
    """One picture per feature that has any value.

    Parameters
    ----------
    moved
        (vendor, feature name) pairs that drifted; drawn in red.
    """
    vendors = sorted(set(reference["vendor"]) | set(current["vendor"]))
    return tuple(
        _picture(feature, reference, current, vendors, moved)
        for feature in FEATURES
        if not (reference[feature.name].isna().all() and current[feature.name].isna().all())
    )


def _picture(
    feature: Feature,
    reference: pd.DataFrame,
    current: pd.DataFrame,
    vendors: list[str],
    moved: set[tuple[str, str]],
) -> Picture:
    figure = Figure(figsize=(5.4, 2.9), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    rows = [
        (2.4 * number + offset, vendor, frame.loc[frame["vendor"] == vendor, feature.name].dropna(), colour)
        for number, vendor in enumerate(vendors)
        for offset, frame, colour in (
            (0.0, reference, REFERENCE_COLOUR),
            (0.9, current, MOVED_COLOUR if (vendor, feature.name) in moved else CURRENT_COLOUR),
        )
    ]
    if feature.kind is Kind.NUMBER:
        for position, _, values, colour in rows:
            _box(axes, position, values, colour)
        axes.set_ylabel(feature.unit or feature.label)
    else:
        _shares(axes, rows, feature)
    labels = [f"{vendor or '(none)'}" for vendor in vendors]
    axes.set_xticks([2.4 * number + 0.45 for number in range(len(vendors))], labels)
    axes.tick_params(labelsize=9, length=0, axis="x")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    encoded = base64.b64encode(text.getvalue().encode()).decode()
    title = f"{feature.label}{f' ({feature.unit})' if feature.unit else ''}"
    return Picture(title, _description(feature, rows), f"data:image/svg+xml;base64,{encoded}")


def _box(axes: Axes, position: float, values: pd.Series, colour: str) -> None:
    if values.empty:
        axes.text(position, 0.02, "none", ha="center", fontsize=7, transform=axes.get_xaxis_transform())
        return
    numbers = values.to_numpy(dtype=np.float64)
    jitter = np.random.default_rng(0).uniform(-0.16, 0.16, numbers.size)
    axes.boxplot(
        numbers,
        positions=[position],
        widths=0.66,
        showfliers=False,
        manage_ticks=False,
        boxprops={"color": colour},
        whiskerprops={"color": colour},
        capprops={"color": colour},
        medianprops={"color": colour, "linewidth": 2},
    )
    axes.plot(position + jitter, numbers, ".", color=colour, markersize=3, alpha=0.6)


def _shares(axes: Axes, rows: list[tuple[float, str, pd.Series, str]], feature: Feature) -> None:
    """Stacked shares of the categories; the frame's colour says whether they moved."""
    texts = [
        values.map(lambda item: f"{item:g}" if isinstance(item, float) else str(item))
        for *_, values, _ in rows
    ]
    categories = sorted({item for text in texts for item in text}, key=lambda item: (len(item), item))
    for (position, _, _, colour), text in zip(rows, texts, strict=True):
        bottom = 0.0
        for number, category in enumerate(categories):
            share = float((text == category).mean()) if len(text) else 0.0
            axes.bar(
                position, share, 0.66, bottom=bottom, color=SHADES[number % len(SHADES)],
                alpha=0.45 if colour == REFERENCE_COLOUR else 1.0,
                edgecolor=colour if colour == MOVED_COLOUR else "white",
                linewidth=2 if colour == MOVED_COLOUR else 0.5,
            )  # fmt: skip
            bottom += share
    handles = [axes.bar(0, 0, color=SHADES[number % len(SHADES)]) for number in range(len(categories))]
    unit = f" {feature.unit}" if feature.unit else ""
    names = [f"{category}{unit}" for category in categories]
    axes.legend(handles, names, fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axes.set_ylabel("share of studies")


def _description(feature: Feature, rows: list[tuple[float, str, pd.Series, str]]) -> str:
    """For those who cannot see the figure."""
    if feature.kind is not Kind.NUMBER:
        return f"{feature.label}: shares of categories per vendor, reference beside current"
    parts = []
    for before, after in zip(rows[::2], rows[1::2], strict=True):
        medians = [
            f"{values.median():.{feature.digits}f}" if len(values) else "none"
            for values in (before[2], after[2])
        ]
        parts.append(f"{before[1] or '(none)'} {medians[0]} then {medians[1]}")
    return f"{feature.label}, medians reference then current: {'; '.join(parts)}"
