"""Figures of the cohort report, as SVG text (drawn without any window system)."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from components.simulate_cohort.nhanes import NhanesCell, NhanesTables
from components.simulate_cohort.population_statistics import REFERENCE_MEAN_G_CM2, REFERENCE_SD_G_CM2
from components.simulate_cohort.published import (
    CLINIC_BMD_SHIFT_G_CM2,
    CLINIC_TBS_SHIFT,
    OLDEST_DECADE,
    SEXES,
)
from models.evaluation.drawing import GREY, STYLE, svg_text

CAPTIONS = {
    "bmd_by_age": "BMD by age and sex: simulated phantoms (dots; mean and SD by decade) over NHANES 2017-2020 of "
    f"patients (band: mean and SD; dashed: mean less a clinic's {-CLINIC_BMD_SHIFT_G_CM2:.2f} g/cm²).",
    "tbs_by_age": "TBS by age and sex: simulated phantoms over NHANES 2007-2008 of patients (band: mean and SD; "
    f"dashed: mean less a clinic's {-CLINIC_TBS_SHIFT:.2f}).",
    "hu_by_age": "L1 HU of simulated phantoms by age, by tube voltage; line: 226 HU under 30 years, less 2.5 a year "
    "(published, patients).",
    "hu_and_tbs_against_bmd": "Trabecular HU and TBS against BMD, simulated phantoms.",
    "t_score_classes": "T-score classes of simulated phantoms beside the published shares of a clinic's patients.",
}
PUBLISHED_CLASSES = (43, 38, 19)  # cohort specification
# Okabe and Ito's colours, told apart by colour-blind readers
_WOMEN, _MEN = "#D55E00", "#0072B2"
_DOTS: Any = {"s": 7, "alpha": 0.45, "linewidths": 0}


def draw_figures(population: pd.DataFrame, nhanes: NhanesTables) -> dict[str, str]:
    """Name of `CAPTIONS` -> SVG text, in reading order."""
    with matplotlib.rc_context(STYLE):
        return {
            "bmd_by_age": svg_text(
                _by_age(population, "bmd", "BMD (g/cm²)", nhanes.bmd, CLINIC_BMD_SHIFT_G_CM2)
            ),
            "tbs_by_age": svg_text(_by_age(population, "tbs", "TBS", nhanes.tbs, CLINIC_TBS_SHIFT)),
            "hu_by_age": svg_text(_hu_by_age(population)),
            "hu_and_tbs_against_bmd": svg_text(_against_bmd(population)),
            "t_score_classes": svg_text(_classes(population)),
        }


def _by_age(
    population: pd.DataFrame, column: str, label: str, cells: tuple[NhanesCell, ...], shift: float
) -> Figure:
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    for axes, (sex, who), colour in zip(
        figure.subplots(1, 2, sharey=True), SEXES.items(), (_WOMEN, _MEN), strict=True
    ):
        own = [cell for cell in cells if cell.sex == sex]
        middle = np.array([cell.decade + 5 for cell in own])
        mean, sd = np.array([cell.mean for cell in own]), np.array([cell.sd for cell in own])
        axes.fill_between(middle, mean - sd, mean + sd, color=GREY, alpha=0.18, label="NHANES, mean ± SD")
        axes.plot(middle, mean, color=GREY, lw=1.5)
        axes.plot(middle, mean + shift, color=GREY, lw=1.5, ls="--", label="NHANES less a clinic's shift")
        people = population[population["sex"] == sex]
        axes.scatter(people["age_years"], people[column], color=colour, **_DOTS)
        decades = people.groupby(np.minimum(people["age_years"] // 10 * 10, OLDEST_DECADE))[column]
        summary = decades.agg(["mean", "std", "size"])
        summary = summary[summary["size"] >= 3]
        axes.errorbar(
            summary.index + 5.0,
            summary["mean"],
            summary["std"],
            fmt="o",
            color="black",
            capsize=4,
            label="simulated, mean ± SD",
        )
        axes.set(title=f"{who} (n={len(people)}, simulated)", xlabel="age (years)", xlim=(30, 92))
    figure.axes[0].set_ylabel(label)
    figure.axes[0].legend(frameon=False, fontsize=8)
    return figure


def _hu_by_age(population: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    axes = figure.subplots()
    for kvp, colour in zip((80, 100, 120, 135, 140), _kvp_colours(), strict=True):
        people = population[population["kvp"] == kvp]
        if len(people):
            axes.scatter(people["age_years"], people["hu_l1"], color=colour, label=f"{kvp} kVp", **_DOTS)
    age = np.array([35.0, 88.0])
    axes.plot(age, 226.0 - 2.5 * (age - 25.0), color=GREY, lw=1.5, ls="--", label="published, patients")
    axes.set(xlabel="age (years)", ylabel="L1 trabecular HU (expected)", title="simulated phantoms")
    axes.legend(frameon=False, fontsize=8, markerscale=2)
    return figure


def _kvp_colours() -> tuple[str, ...]:
    return ("#CC79A7", "#E69F00", "#0072B2", "#56B4E9", "#009E73")


def _against_bmd(population: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    labels = {"hu": "trabecular HU, mean of L1-L4 (expected)", "tbs": "TBS"}
    for axes, column in zip(figure.subplots(1, 2), labels, strict=True):
        _by_sex(axes, population, column)
        r = population["bmd"].corr(population[column])
        axes.set(xlabel="BMD (g/cm²)", ylabel=labels[column], title=f"r = {r:.2f}, simulated phantoms")
    figure.axes[0].legend(frameon=False, fontsize=8, markerscale=2)
    return figure


def _by_sex(axes: Axes, population: pd.DataFrame, column: str) -> None:
    for (sex, who), colour in zip(SEXES.items(), (_WOMEN, _MEN), strict=True):
        people = population[population["sex"] == sex]
        axes.scatter(people["bmd"], people[column], color=colour, label=who, **_DOTS)


def _classes(population: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    shares, curve = figure.subplots(1, 2)
    t_score = (population["bmd"] - REFERENCE_MEAN_G_CM2) / REFERENCE_SD_G_CM2
    percent = [
        100 * float(inside.mean())
        for inside in (t_score > -1.0, (t_score <= -1.0) & (t_score > -2.5), t_score <= -2.5)
    ]
    place = np.arange(3)
    shares.bar(place - 0.2, percent, 0.38, color=_MEN, label="simulated phantoms")
    shares.bar(place + 0.2, PUBLISHED_CLASSES, 0.38, color=GREY, label="published, patients")
    shares.set_xticks(place, ["normal", "osteopenia", "osteoporosis"])
    shares.set_ylabel("%")
    shares.legend(frameon=False, fontsize=8)
    curve.hist(t_score, bins=np.arange(-6, 5.25, 0.25).tolist(), color=_MEN, alpha=0.8)
    for cut in (-1.0, -2.5):
        curve.axvline(cut, color=GREY, ls="--")
    curve.set(xlabel="T-score (female Hologic reference)", ylabel="simulated phantoms")
    return figure
