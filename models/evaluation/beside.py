"""The baselines and the ceiling judged like the network, and the network's gains over them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from models.bone_reference import ScalesParams
from models.evaluation import resampled
from models.evaluation.baselines import BASELINES, CEILING, baseline_predictions, ceiling_predictions
from models.evaluation.bootstrap import Resampling, bootstrap_at_once
from models.evaluation.findings import FINDINGS
from models.evaluation.measures import PAIRED, UNITS, freeze_cutoffs, gain_in_r, matched, patient_metrics
from models.evaluation.metric import Metric, undefined
from models.evaluation.settings import EvaluateParams

Metrics = dict[str, Metric]


@dataclass
class Beside:
    """By name of the baseline.

    Attributes
    ----------
    tables
        Calibration and test patients with its estimates; only those that could be judged.
    metrics
        Patient-level metrics on test patients.
    gains
        Network minus baseline, paired.
    """

    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    metrics: dict[str, Metrics] = field(default_factory=dict)
    gains: dict[str, Metrics] = field(default_factory=dict)


def judge_beside(
    patients: pd.DataFrame,
    latents: pd.DataFrame | None,
    names: list[str],
    scales: ScalesParams,
    params: EvaluateParams,
) -> Beside:
    """Judge every baseline, and the ceiling where latents are given.

    Parameters
    ----------
    patients
        Judged patients of all splits, one row each, with the network's estimates.
    names
        Metric names that get the reason where a baseline cannot be judged.
    """
    beside = Beside()
    test = patients[patients["split"] == "test"]
    tables = {baseline.name: baseline_predictions(patients, baseline) for baseline in BASELINES}
    if latents is not None:
        tables[CEILING.name] = ceiling_predictions(patients, latents)
    for name, judged in tables.items():
        if isinstance(judged, str):
            beside.metrics[name] = {key: undefined(judged, len(test), "regression") for key in names}
            beside.gains[name] = {key: undefined(judged, len(test), PAIRED) for key in gain_names(name)}
            continue
        own_cutoffs = freeze_cutoffs(judged[judged["split"] == "calibration"], scales, params)
        of_test = judged[judged["split"] == "test"]
        beside.tables[name] = judged
        beside.metrics[name] = patient_metrics(of_test, own_cutoffs, scales, params)
        beside.gains[name] = gains(test, of_test, scales, params.resampling)
        if name == CEILING.name:
            beside.gains[name] |= {
                f"{target}.share_of_ceiling": share_of_ceiling(test, of_test, target, params.resampling)
                for target in UNITS
            }
    return beside


def gain_names(baseline: str) -> list[str]:
    """Keys of a baseline's gains."""
    names = [f"{target}.pearson_r" for target in UNITS] + [f"{finding.name}.auc" for finding in FINDINGS]
    return names + ([f"{target}.share_of_ceiling" for target in UNITS] if baseline == CEILING.name else [])


def gains(network: pd.DataFrame, baseline: pd.DataFrame, scales: ScalesParams, how: Resampling) -> Metrics:
    """Network minus baseline in r and AUC, both judged on every resample of the same patients."""
    metrics = {f"{target}.pearson_r": gain_in_r(network, baseline, target, how) for target in UNITS}
    for finding in FINDINGS:
        truth, ours, theirs, names = matched(network, baseline, finding.target)
        positive = finding.truth(truth, scales)
        metrics[f"{finding.name}.auc"] = bootstrap_at_once(
            lambda drawn, p=positive, a=-ours, b=-theirs: (  # type: ignore[misc]
                resampled.auc(drawn, p, a) - resampled.auc(drawn, p, b)
            ),
            names,
            how,
            positives=int(positive.sum()),
            why_undefined="one class only",
            method=PAIRED,
        )
    return metrics


def share_of_ceiling(network: pd.DataFrame, ceiling: pd.DataFrame, target: str, how: Resampling) -> Metric:
    """Network's r divided by the ceiling's, paired; not defined where the ceiling's r is not above 0."""
    truth, ours, theirs, names = matched(network, ceiling, target)

    def share(drawn: resampled.Resamples) -> resampled.Floats:
        above, below = (resampled.pearson_r(drawn, truth, side) for side in (ours, theirs))
        return above / np.where(below > 0, below, np.nan)

    return bootstrap_at_once(
        share, names, how, why_undefined="a correlation is not defined, or the ceiling's is not above 0",
        method=PAIRED,
    )  # fmt: skip
