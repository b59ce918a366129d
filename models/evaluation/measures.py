"""Every metric of the report, by name, for a set of patients or for their vertebrae."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.bone_reference import ScalesParams
from models.evaluation import resampled
from models.evaluation.agreement import WITHIN_95, bias, calibration_line, limits_of_agreement, wilson
from models.evaluation.bootstrap import Resamples, Resampling, bootstrap_at_once
from models.evaluation.calibration import FrozenCutoff, freeze_cutoff
from models.evaluation.correlation import partial_r, pearson_r
from models.evaluation.findings import FINDINGS, Finding
from models.evaluation.metric import Metric
from models.evaluation.roc import auc
from models.evaluation.settings import CutoffRule, EvaluateParams
from models.evaluation.tables import TARGETS

UNITS = {"bmd": "_g_cm2", "tbs": ""}
# Beyond what the TBS estimate must tell more of TBS: density as CT and as DXA measure it.
GIVEN = {"hu": "trabecular_hu", "bmd": TARGETS["bmd"][2]}
Floats = NDArray[np.float64]
PAIRED = "paired bootstrap over patients"


class Pairs(NamedTuple):
    """(n,) reference values and estimates of one target, and the patient of each."""

    truth: NDArray[np.float64]
    predicted: NDArray[np.float64]
    patients: list[str]


def is_known(rows: pd.DataFrame, target: str, *, per_level: bool = False) -> NDArray[np.bool_]:
    """(n,) whether `target` ('bmd' or 'tbs') is judged: a reference value and, for TBS, where it is defined."""
    _, level_reference, total_reference = TARGETS[target]
    judged = np.isfinite(rows[level_reference if per_level else total_reference].to_numpy(dtype=np.float64))
    if target == "tbs" and "tbs_judged" in rows:
        judged &= rows["tbs_judged"].to_numpy(dtype=bool)
    return judged


def known(rows: pd.DataFrame, target: str, *, per_level: bool = False) -> pd.DataFrame:
    """The rows for which `target` is judged."""
    return rows[is_known(rows, target, per_level=per_level)]


def pairs(rows: pd.DataFrame, target: str, *, per_level: bool = False) -> Pairs:
    """The pairs of `target` among the rows for which it is judged."""
    estimate, level_reference, total_reference = TARGETS[target]
    judged = is_known(rows, target, per_level=per_level)
    return Pairs(
        rows[level_reference if per_level else total_reference].to_numpy(dtype=np.float64)[judged],
        rows[estimate].to_numpy(dtype=np.float64)[judged],
        rows["patient"].to_numpy(dtype=object)[judged].tolist(),
    )


def freeze_cutoffs(
    calibration: pd.DataFrame,
    scales: ScalesParams,
    params: EvaluateParams,
    *,
    per_level: bool = False,
) -> dict[str, FrozenCutoff]:
    """One cut-off per finding from calibration rows only."""
    return {
        finding.name: freeze_finding(
            calibration,
            finding,
            scales,
            params,
            params.cutoffs[finding.name],  # type: ignore[index]
            per_level=per_level,
        )
        for finding in FINDINGS
    }


def freeze_finding(
    calibration: pd.DataFrame,
    finding: Finding,
    scales: ScalesParams,
    params: EvaluateParams,
    rule: CutoffRule,
    *,
    per_level: bool = False,
) -> FrozenCutoff:
    """The cut-off of one finding by one rule."""
    data = pairs(calibration, finding.target, per_level=per_level)
    return freeze_cutoff(
        finding.truth(data.truth, scales),
        data.predicted,
        rule,
        reference_cut=finding.reference_cut(scales),
        minimum_class=params.minimum_class_patients,
    )


def patient_metrics(
    patients: pd.DataFrame,
    cutoffs: Mapping[str, FrozenCutoff],
    scales: ScalesParams,
    params: EvaluateParams,
) -> dict[str, Metric]:
    """All metrics of one set of patients, one row each."""
    metrics: dict[str, Metric] = {}
    confidence, how = params.confidence, params.resampling
    for target, unit in UNITS.items():
        truth, predicted, names = pairs(patients, target)
        low, high = limits_of_agreement(truth, predicted, confidence)
        slope, intercept = calibration_line(truth, predicted, confidence)
        metrics |= {
            f"{target}.pearson_r": pearson_r(truth, predicted, confidence),
            **_errors(target, predicted - truth, names, how),
            f"{target}.bias{unit}": bias(truth, predicted, confidence),
            f"{target}.loa_low{unit}": low,
            f"{target}.loa_high{unit}": high,
            f"{target}.calibration_slope": slope,
            f"{target}.calibration_intercept{unit}": intercept,
        }
    truth, predicted, _ = pairs(patients, "tbs")
    for name, column in GIVEN.items():
        given = known(patients, "tbs")[column].to_numpy(dtype=np.float64)
        if np.isfinite(given).all():
            metrics[f"tbs.partial_r_given_{name}"] = partial_r(truth, predicted, given, confidence)
    for finding in FINDINGS:
        metrics |= finding_metrics(patients, finding, cutoffs[finding.name].value, scales, confidence)
    return metrics


def finding_metrics(
    patients: pd.DataFrame, finding: Finding, cutoff: float, scales: ScalesParams, confidence: float
) -> dict[str, Metric]:
    """AUC, and how calling the finding at `cutoff` does, one row per patient."""
    data = pairs(patients, finding.target)
    positive = finding.truth(data.truth, scales)
    metrics = {f"{finding.name}.auc": auc(positive, -data.predicted, confidence)}
    called = finding.called(data.predicted, cutoff)
    for part, metric in four_shares(called, positive, confidence).items():
        metrics[f"{finding.name}.{part}"] = metric
    return metrics


def four_shares(
    called: NDArray[np.bool_], positive: NDArray[np.bool_], confidence: float
) -> dict[str, Metric]:
    """Sensitivity, specificity, PPV and NPV over (n,) patients, Wilson's intervals."""
    with_it = int(positive.sum())
    return {
        part: wilson(int((hit & among).sum()), int(among.sum()), confidence, with_it)
        for part, hit, among in _parts(called, positive)
    }


def vertebra_metrics(
    levels: pd.DataFrame,
    cutoffs: Mapping[str, FrozenCutoff],
    scales: ScalesParams,
    params: EvaluateParams,
) -> dict[str, Metric]:
    """All metrics over vertebrae, intervals by resampling patients: vertebrae of one patient are alike.

    Findings of a vertebra are judged by its own DXA value against the L1-L4 cuts; single levels have none here.
    """
    metrics: dict[str, Metric] = {}
    how = params.resampling
    for target, unit in UNITS.items():
        truth, predicted, names = pairs(levels, target, per_level=True)
        metrics |= _pooled_agreement(target, unit, truth, predicted, names, how)
    for finding in FINDINGS:
        data = pairs(levels, finding.target, per_level=True)
        positive = finding.truth(data.truth, scales)
        called = finding.called(data.predicted, cutoffs[finding.name].value)
        metrics |= {
            f"{finding.name}.{part}": metric
            for part, metric in pooled_finding(called, positive, -data.predicted, data.patients, how).items()
        }
    return metrics


def pooled_finding(
    called: NDArray[np.bool_],
    positive: NDArray[np.bool_],
    score: NDArray[np.float64],
    patients: list[str],
    how: Resampling,
) -> dict[str, Metric]:
    """AUC and the four shares over rows that share patients, by resampling patients."""

    def counted(hit: NDArray[np.bool_], among: NDArray[np.bool_]) -> Callable[[Resamples], Floats]:
        return lambda drawn: resampled.share(drawn, hit, among)

    statistics = {
        "auc": (lambda drawn: resampled.auc(drawn, positive, score)),
        **{part: counted(hit, among) for part, hit, among in _parts(called, positive)},
    }
    return {
        part: bootstrap_at_once(
            statistic,
            patients,
            how,
            positives=int(positive.sum()),
            why_undefined="one class only" if part == "auc" else "nobody to count",
        )
        for part, statistic in statistics.items()
    }


def gain_in_r(network: pd.DataFrame, baseline: pd.DataFrame, target: str, how: Resampling) -> Metric:
    """Pearson r of the network minus that of a baseline on the patients that both judge, resampled together."""
    truth, ours, theirs, names = matched(network, baseline, target)
    return bootstrap_at_once(
        lambda drawn: resampled.pearson_r(drawn, truth, ours) - resampled.pearson_r(drawn, truth, theirs),
        names,
        how,
        why_undefined="one of the two correlations is not defined",
        method=PAIRED,
    )


def matched(
    first: pd.DataFrame, second: pd.DataFrame, target: str
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], list[str]]:
    """(n,) reference values, both tables' estimates, and patients, of those who are judged in both."""
    estimate = TARGETS[target][0]
    joined = known(first, target).merge(
        second[["patient", estimate]], on="patient", suffixes=("", "_of_second")
    )
    data = pairs(joined, target)
    return (
        data.truth,
        data.predicted,
        joined[f"{estimate}_of_second"].to_numpy(dtype=np.float64),
        data.patients,
    )


def _errors(
    target: str, difference: NDArray[np.float64], names: list[str], how: Resampling
) -> dict[str, Metric]:
    unit = UNITS[target]
    return {
        f"{target}.mae{unit}": bootstrap_at_once(
            lambda drawn: resampled.mean(drawn, np.abs(difference)), names, how, why_undefined="no pairs"
        ),
        f"{target}.rmse{unit}": bootstrap_at_once(
            lambda drawn: resampled.root_mean_square(drawn, difference), names, how, why_undefined="no pairs"
        ),
    }


def _pooled_agreement(
    target: str,
    unit: str,
    truth: NDArray[np.float64],
    predicted: NDArray[np.float64],
    names: list[str],
    how: Resampling,
) -> dict[str, Metric]:
    difference = predicted - truth

    def limit(side: int, drawn: Resamples) -> NDArray[np.float64]:
        return resampled.limits(drawn, difference, WITHIN_95)[side]

    def line(part: int, drawn: Resamples) -> NDArray[np.float64]:
        return resampled.line(drawn, predicted, truth)[part]

    statistics = {
        f"{target}.pearson_r": lambda drawn: resampled.pearson_r(drawn, truth, predicted),
        f"{target}.bias{unit}": lambda drawn: resampled.mean(drawn, difference),
        f"{target}.loa_low{unit}": lambda drawn: limit(0, drawn),
        f"{target}.loa_high{unit}": lambda drawn: limit(1, drawn),
        f"{target}.calibration_slope": lambda drawn: line(0, drawn),
        f"{target}.calibration_intercept{unit}": lambda drawn: line(1, drawn),
    }
    return _errors(target, difference, names, how) | {
        name: bootstrap_at_once(statistic, names, how, why_undefined="a side is constant")
        for name, statistic in statistics.items()
    }


def _parts(
    called: NDArray[np.bool_], positive: NDArray[np.bool_]
) -> Iterable[tuple[str, NDArray[np.bool_], NDArray[np.bool_]]]:
    """Name of a share, what is counted, and among whom."""
    return (
        ("sensitivity", called, positive),
        ("specificity", ~called, ~positive),
        ("ppv", positive, called),
        ("npv", ~positive, ~called),
    )
