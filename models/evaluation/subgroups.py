"""The same metrics for groups of test patients: by scanner, by acquisition, by person."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from models.bone_reference import ScalesParams
from models.evaluation.calibration import FrozenCutoff
from models.evaluation.coverage import interval_coverage
from models.evaluation.flag_rule import flag_metrics
from models.evaluation.measures import UNITS, patient_metrics
from models.evaluation.metric import Metric
from models.evaluation.report_file import FrozenOnCalibration, Subgroup
from models.evaluation.settings import EvaluateParams
from models.evaluation.vendors import r_difference

UNKNOWN = "unknown"
# Dimension -> column, unit; bands come from the parameters.
BANDED: dict[str, tuple[str, str, str]] = {
    "slice_thickness": ("slice_thickness_mm", "mm", "slice_thickness_mm"),
    "kvp": ("kvp", "kV", "kvp"),
    "age": ("age_years", "years", "age_years"),
    "bmi": ("bmi_kg_m2", "kg/m2", "bmi_kg_m2"),
}
NAMED = {"vendor": "vendor", "kernel_class": "kernel_class", "sex": "sex"}
SEXES = {"F": "women", "M": "men"}


def dimensions(patients: pd.DataFrame, params: EvaluateParams) -> Iterator[tuple[str, pd.Series, list[str]]]:
    """Name of each dimension, the (n,) group of each patient, and the groups in order."""
    for name, column in NAMED.items():
        labels = patients[column].astype(str)
        if name == "sex":
            labels = labels.map(SEXES).fillna(UNKNOWN)
        yield name, labels, sorted(labels.unique())
    for name, (column, unit, key) in BANDED.items():
        titles = band_titles(getattr(params.subgroups, key), unit)
        values = patients[column].to_numpy(dtype=np.float64)
        places = np.searchsorted(getattr(params.subgroups, key), values, side="right")
        labels = pd.Series(
            [
                titles[place] if np.isfinite(value) else UNKNOWN
                for place, value in zip(places, values, strict=True)
            ],
            index=patients.index,
        )
        yield name, labels, [title for title in [*titles, UNKNOWN] if (labels == title).any()]


def band_titles(edges: tuple[float, ...], unit: str) -> list[str]:
    """Words for the bands that begin at `edges` (and the one below the first)."""
    if not edges:
        return ["all"]
    between = [f"{low:g} to under {high:g} {unit}" for low, high in itertools.pairwise(edges)]
    return [f"under {edges[0]:g} {unit}", *between, f"{edges[-1]:g} {unit} and over"]


def subgroups(
    patients: pd.DataFrame, frozen: FrozenOnCalibration, scales: ScalesParams, params: EvaluateParams
) -> dict[str, dict[str, Subgroup]]:
    """Dimension -> group -> what is known of it.

    Parameters
    ----------
    patients
        Judged test patients, one row each, with a column `flagged`.
    """
    return {
        name: {
            group: _subgroup(patients[labels == group], patients[labels != group], frozen, scales, params)
            for group in groups
        }
        for name, labels, groups in dimensions(patients, params)
    }


def group_metrics(
    patients: pd.DataFrame,
    cutoffs: Mapping[str, FrozenCutoff],
    frozen: FrozenOnCalibration,
    scales: ScalesParams,
    params: EvaluateParams,
) -> dict[str, Metric]:
    """Agreement, discrimination, coverage and flags of one set of patients (with a column `flagged`)."""
    half_widths = {"bmd": frozen.bmd_half_width_g_cm2, "tbs": frozen.tbs_half_width}
    return {
        **patient_metrics(patients, cutoffs, scales, params),
        **interval_coverage(
            patients, half_widths, frozen.interval_patients, frozen.interval_coverage, params.confidence
        ),
        **flag_metrics(
            patients["flagged"].to_numpy(dtype=bool), patients, scales, params.flag_on, params.confidence
        ),
    }


def _subgroup(
    inside: pd.DataFrame,
    outside: pd.DataFrame,
    frozen: FrozenOnCalibration,
    scales: ScalesParams,
    params: EvaluateParams,
) -> Subgroup:
    n, needed = len(inside), params.subgroups.minimum_patients
    if n < needed:
        return Subgroup(n=n, reason=f"too few: {n} patients, {needed} needed")
    metrics = group_metrics(inside, frozen.patient, frozen, scales, params)
    for target in UNITS:
        metrics[f"{target}.r_difference"] = r_difference(inside, outside, target, params.resampling)
    return Subgroup(n=n, metrics=metrics)
