"""Every metric of the report, by name, for a set of patients or for their vertebrae."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.bone_reference import ScalesParams
from models.evaluation.agreement import (
    bias,
    calibration_line,
    limits_of_agreement,
    mean_absolute_error,
    root_mean_square_error,
    wilson,
)
from models.evaluation.bootstrap import Resampling, bootstrap
from models.evaluation.calibration import FrozenCutoff, freeze_cutoff
from models.evaluation.correlation import partial_r, pearson_r, plain_pearson_r
from models.evaluation.findings import FINDINGS, Finding
from models.evaluation.metric import Metric
from models.evaluation.roc import auc, plain_auc
from models.evaluation.settings import EvaluateParams
from models.evaluation.tables import TARGETS

UNITS = {"bmd": "_g_cm2", "tbs": ""}


class Pairs(NamedTuple):
    """(n,) reference values and estimates of one target, and the patient of each."""

    truth: NDArray[np.float64]
    predicted: NDArray[np.float64]
    patients: list[str]


def pairs(rows: pd.DataFrame, target: str, *, per_level: bool = False) -> Pairs:
    """The pairs of `target` ('bmd' or 'tbs'); rows without a reference value are left out."""
    estimate, level_reference, total_reference = TARGETS[target]
    reference = level_reference if per_level else total_reference
    rows = rows[rows[reference].notna()]
    return Pairs(
        rows[reference].to_numpy(dtype=np.float64),
        rows[estimate].to_numpy(dtype=np.float64),
        list(rows["patient"]),
    )


def freeze_cutoffs(
    calibration: pd.DataFrame, scales: ScalesParams, params: EvaluateParams, *, per_level: bool = False
) -> dict[str, FrozenCutoff]:
    """One cut-off per finding from calibration rows only."""
    frozen = {}
    for finding in FINDINGS:
        data = pairs(calibration, finding.target, per_level=per_level)
        frozen[finding.name] = freeze_cutoff(
            finding.truth(data.truth, scales),
            data.predicted,
            params.cutoffs[finding.name],  # type: ignore[index]
            reference_cut=finding.reference_cut(scales),
            minimum_class=params.minimum_class_patients,
        )
    return frozen


def patient_metrics(
    patients: pd.DataFrame,
    cutoffs: Mapping[str, FrozenCutoff],
    scales: ScalesParams,
    params: EvaluateParams,
) -> dict[str, Metric]:
    """All metrics of one set of patients, one row each."""
    metrics: dict[str, Metric] = {}
    confidence = params.confidence
    for target, unit in UNITS.items():
        truth, predicted, names = data = pairs(patients, target)
        low, high = limits_of_agreement(truth, predicted, confidence)
        slope, intercept = calibration_line(truth, predicted, confidence)
        metrics |= {
            f"{target}.pearson_r": pearson_r(truth, predicted, confidence),
            f"{target}.mae{unit}": _error(mean_absolute_error, data, params.resampling),
            f"{target}.rmse{unit}": _error(root_mean_square_error, data, params.resampling),
            f"{target}.bias{unit}": bias(truth, predicted, confidence),
            f"{target}.loa_low{unit}": low,
            f"{target}.loa_high{unit}": high,
            f"{target}.calibration_slope": slope,
            f"{target}.calibration_intercept{unit}": intercept,
        }
    hu = patients["trabecular_hu"].to_numpy(dtype=np.float64)
    truth, predicted, names = pairs(patients, "tbs")
    if np.isfinite(hu).all() and len(names) == len(hu):
        metrics["tbs.partial_r_given_hu"] = partial_r(truth, predicted, hu, confidence)
    for finding in FINDINGS:
        data = pairs(patients, finding.target)
        positive = finding.truth(data.truth, scales)
        called = _called(finding, data.predicted, cutoffs[finding.name].value)
        n_positive, n_negative = int(positive.sum()), int((~positive).sum())
        sensitivity = wilson(int((called & positive).sum()), n_positive, confidence, n_positive)
        specificity = wilson(int((~called & ~positive).sum()), n_negative, confidence, n_positive)
        metrics |= {
            f"{finding.name}.auc": auc(positive, -data.predicted, confidence),
            f"{finding.name}.sensitivity": sensitivity,
            f"{finding.name}.specificity": specificity,
        }
    return metrics


def vertebra_metrics(
    levels: pd.DataFrame,
    cutoffs: Mapping[str, FrozenCutoff],
    scales: ScalesParams,
    params: EvaluateParams,
) -> dict[str, Metric]:
    """All metrics over vertebrae, intervals by resampling patients: vertebrae of one patient are alike.

    Findings are judged against the L1-L4 reference, as in the paper; single levels have none here.
    """
    metrics: dict[str, Metric] = {}
    how = params.resampling
    for target, unit in UNITS.items():
        data = pairs(levels, target, per_level=True)
        truth, predicted, names = data
        metrics |= {
            f"{target}.pearson_r": bootstrap(
                _of(plain_pearson_r, truth, predicted), names, how, why_undefined="a side is constant"
            ),
            f"{target}.mae{unit}": _error(mean_absolute_error, data, how),
            f"{target}.rmse{unit}": _error(root_mean_square_error, data, how),
            f"{target}.bias{unit}": _error(_mean_difference, data, how),
        }
    for finding in FINDINGS:
        data = pairs(levels, finding.target, per_level=True)
        positive = finding.truth(data.truth, scales)
        called = _called(finding, data.predicted, cutoffs[finding.name].value)
        for name, statistic in (
            ("auc", _of(plain_auc, positive, -data.predicted)),
            ("sensitivity", _of(_share_of, called, positive)),
            ("specificity", _of(_share_of, ~called, ~positive)),
        ):
            metrics[f"{finding.name}.{name}"] = bootstrap(
                statistic,
                data.patients,
                how,
                positives=int(positive.sum()),
                why_undefined="one class only",
            )
    return metrics


def gain_in_r(network: pd.DataFrame, baseline: pd.DataFrame, target: str, how: Resampling) -> Metric:
    """Pearson r of the network minus that of a baseline on the same patients, resampled together."""
    joined = network.merge(
        baseline[["patient", TARGETS[target][0]]], on="patient", suffixes=("", "_baseline")
    )
    ours = pairs(joined, target)
    theirs = joined[f"{TARGETS[target][0]}_baseline"].to_numpy(dtype=np.float64)

    def difference(rows: NDArray[np.int64]) -> float | None:
        r_ours = plain_pearson_r(ours.truth[rows], ours.predicted[rows])
        r_theirs = plain_pearson_r(ours.truth[rows], theirs[rows])
        return None if r_ours is None or r_theirs is None else r_ours - r_theirs

    return bootstrap(
        difference,
        ours.patients,
        how,
        why_undefined="one of the two correlations is not defined",
        method="paired bootstrap over patients",
    )


def _called(finding: Finding, predicted: NDArray[np.float64], cut: float) -> NDArray[np.bool_]:
    """As `models.decision` calls it: BMD at or below the cut-off, TBS below it."""
    return predicted <= cut if finding.target == "bmd" else predicted < cut


def _error(function, data: Pairs, how: Resampling) -> Metric:  # type: ignore[no-untyped-def]
    return bootstrap(_of(function, data.truth, data.predicted), data.patients, how, why_undefined="no pairs")


def _of(function, first, second):  # type: ignore[no-untyped-def]
    """A statistic of row numbers from a function of two arrays."""
    return lambda rows: function(first[rows], second[rows])


def _mean_difference(truth: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    return float((predicted - truth).mean())


def _share_of(called: NDArray[np.bool_], among: NDArray[np.bool_]) -> float | None:
    return float(called[among].mean()) if among.any() else None
