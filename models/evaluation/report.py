"""From predictions to the evaluation report and the rules that patients are answered by."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, cast

import pandas as pd

from models import decision
from models.bone_reference import ScalesParams
from models.crop_store import SPLITS
from models.errors import InputError
from models.evaluation.answers import DataIdentity, decision_rules, flagging, interval_coverage
from models.evaluation.baselines import BASELINES, baseline_predictions
from models.evaluation.calibration import conformal_half_width
from models.evaluation.findings import FINDINGS
from models.evaluation.frozen_rules import frozen_with_model
from models.evaluation.measures import (
    UNITS,
    freeze_cutoffs,
    gain_in_r,
    pairs,
    patient_metrics,
    vertebra_metrics,
)
from models.evaluation.metric import Metric, undefined
from models.evaluation.published import published_figures
from models.evaluation.report_file import (
    Counts,
    EvaluationReport,
    FrozenOnCalibration,
    ModelIdentity,
)
from models.evaluation.settings import EvaluateParams
from models.evaluation.tables import MeasuredTables, measured_tables

STATEMENTS = {
    "simulated": "Measured on simulated phantoms - not clinical evidence",
    "site": "Measured on this site's own patients - research use only",
}


class TestSetEmptyError(InputError):
    """There is nobody to judge the model on."""

    __test__ = False  # not a test class, whatever pytest makes of its name


@dataclass(frozen=True)
class Evaluation:
    """Everything an evaluation yields.

    Attributes
    ----------
    tables
        Levels and patients of all splits, with the network's estimates.
    baselines
        Baseline -> calibration and test patients with its estimates; only those that could be judged.
    rules
        For decision.json.
    """

    report: EvaluationReport
    tables: MeasuredTables
    baselines: dict[str, pd.DataFrame]
    rules: decision.DecisionRules


def evaluate(
    crops: pd.DataFrame,
    *,
    data: DataIdentity,
    model: ModelIdentity,
    versions: decision.Versions,
    scales: ScalesParams,
    params: EvaluateParams,
    test_looks: int | None = None,
    frozen_rules: decision.DecisionRules | None = None,
) -> Evaluation:
    """Judge one model.

    Parameters
    ----------
    crops
        The crop store's index, all splits, with `bmd_pred_g_cm2` and `tbs_pred` (NaN where not predicted).
    data, model, versions
        Written into report and rules.
    test_looks
        See `EvaluationReport`.
    frozen_rules
        Of a model that is judged on other data than its own: its cut-offs and intervals, instead of freezing
        any on this data; calibration patients are then not needed.

    Raises
    ------
    TestSetEmptyError, CalibrationError, PredictionTableError
        Nobody in the test split; too few calibration patients; a damaged table of predictions. A metric that
        is not defined never raises: it carries its reason.
    """
    tables = measured_tables(crops, params.minimum_levels)
    patients = tables.patients
    calibration, test = (patients[patients["split"] == split] for split in ("calibration", "test"))
    if test.empty:
        raise TestSetEmptyError("the crop store has no test patient with enough levels; add patients")
    judged = set(patients["patient"])
    levels = tables.levels[tables.levels["patient"].isin(judged)]
    if frozen_rules is None:
        frozen = _freeze(calibration, levels[levels["split"] == "calibration"], scales, params)
        rules = decision_rules(patients, frozen, data, versions, scales, params)
    else:
        frozen, rules = frozen_with_model(frozen_rules), frozen_rules
    half_widths = {"bmd": frozen.bmd_half_width_g_cm2, "tbs": frozen.tbs_half_width}
    test_levels = levels[levels["split"] == "test"]
    of_network = patient_metrics(test, frozen.patient, scales, params)
    of_network |= interval_coverage(test, half_widths, params.confidence)
    of_network |= flagging(test, test_levels, rules, scales, params.confidence)
    judged_baselines, baseline_metrics, gains = _beside(patients, test, of_network, scales, params)
    report = EvaluationReport(
        schema_version=2,
        statement=STATEMENTS[data.kind],
        data_kind=data.kind,
        data_version=data.version,
        model=model,
        test_set_sha256=hashlib.sha256("\n".join(sorted(test["patient"])).encode()).hexdigest(),
        test_looks=test_looks,
        reference=scales.reference.name,
        confidence=params.confidence,
        counts=_counts(crops, tables, levels, test, scales),
        frozen=frozen,
        patient=of_network,
        vertebra=vertebra_metrics(test_levels, frozen.vertebra, scales, params),
        by_vendor={
            str(vendor): patient_metrics(rows, frozen.patient, scales, params)
            for vendor, rows in test.groupby("vendor", sort=True)
        },
        baselines=baseline_metrics,
        gains=gains,
        paper=published_figures(params.confidence),
        scales=scales,
        figures=(),
        notes=_notes(frozen, own=frozen_rules is None),
    )
    return Evaluation(report, tables, judged_baselines, rules)


def _freeze(
    calibration: pd.DataFrame, levels: pd.DataFrame, scales: ScalesParams, params: EvaluateParams
) -> FrozenOnCalibration:
    """Cut-offs and interval widths from calibration patients and their levels."""
    half_widths = {
        target: conformal_half_width(data_of.truth, data_of.predicted, params.interval_coverage)
        for target, data_of in ((name, pairs(calibration, name)) for name in UNITS)
    }
    return FrozenOnCalibration(
        patient=freeze_cutoffs(calibration, scales, params),
        vertebra=freeze_cutoffs(levels, scales, params, per_level=True),
        bmd_half_width_g_cm2=half_widths["bmd"],
        tbs_half_width=half_widths["tbs"],
        interval_coverage=params.interval_coverage,
    )


def _beside(
    patients: pd.DataFrame,
    test: pd.DataFrame,
    of_network: dict[str, Metric],
    scales: ScalesParams,
    params: EvaluateParams,
) -> tuple[dict[str, pd.DataFrame], dict[str, dict[str, Metric]], dict[str, dict[str, Metric]]]:
    """Baselines' tables and metrics, and the network's gains over them."""
    kept: dict[str, pd.DataFrame] = {}
    metrics: dict[str, dict[str, Metric]] = {}
    gains: dict[str, dict[str, Metric]] = {}
    for baseline in BASELINES:
        judged = baseline_predictions(patients, baseline)
        if isinstance(judged, str):
            metrics[baseline.name] = {
                name: undefined(judged, len(test), "regression on train patients") for name in of_network
            }
            gains[baseline.name] = {
                f"{target}.pearson_r": undefined(judged, len(test), "paired bootstrap") for target in UNITS
            }
            continue
        own_cutoffs = freeze_cutoffs(judged[judged["split"] == "calibration"], scales, params)
        of_test = judged[judged["split"] == "test"]
        kept[baseline.name] = judged
        metrics[baseline.name] = patient_metrics(of_test, own_cutoffs, scales, params)
        gains[baseline.name] = {
            f"{target}.pearson_r": gain_in_r(test, of_test, target, params.resampling) for target in UNITS
        }
    return kept, metrics, gains


def _counts(
    crops: pd.DataFrame,
    tables: MeasuredTables,
    levels: pd.DataFrame,
    test: pd.DataFrame,
    scales: ScalesParams,
) -> Counts:
    def by_split(rows: pd.DataFrame, unique: str | None = None) -> dict[str, int]:
        grouped: Any = rows.groupby("split")
        counted = grouped[unique].nunique() if unique else grouped.size()
        return {split: int(counted.get(split, 0)) for split in SPLITS}

    total = {"bmd": test["bmd_l1_l4_g_cm2"].to_numpy(), "tbs": test["tbs_l1_l4"].to_numpy()}
    return Counts(
        patients=by_split(crops, "patient"),
        vertebrae=by_split(tables.levels),
        crops=by_split(crops),
        judged_patients=by_split(tables.patients),
        judged_vertebrae=by_split(levels),
        excluded=tables.excluded,
        test_by_vendor={
            str(key): int(value) for key, value in test["vendor"].value_counts().sort_index().items()
        },
        test_with_finding={
            finding.name: int(finding.truth(cast(Any, total[finding.target]), scales).sum())
            for finding in FINDINGS
        },
    )


def _notes(frozen: FrozenOnCalibration, *, own: bool) -> tuple[str, ...]:
    notes = [
        "Cut-offs and interval widths were frozen on calibration patients, none of them a test patient."
        if own
        else "Cut-offs and interval widths are those frozen with the model; none was chosen on this data.",
        "Vertebrae are judged against the L1-L4 reference; their intervals resample patients.",
        "Baselines are regressions fitted on train patients and judged on the same test patients.",
    ]
    for name, cutoff in frozen.patient.items():
        if cutoff.method.startswith("published"):
            notes.append(f"{name}: {cutoff.method}.")
    return tuple(notes)
