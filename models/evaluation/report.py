"""From predictions to the evaluation report and the rules that patients are answered by."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import pandas as pd

from models import decision
from models.bone_reference import ScalesParams, young_adult_mean_g_cm2
from models.errors import InputError
from models.evaluation.alternatives import alternatives
from models.evaluation.answers import DataIdentity, decision_rules
from models.evaluation.beside import judge_beside
from models.evaluation.counting import counted
from models.evaluation.decision_curve import decision_curves
from models.evaluation.flag_comparison import flag_rules
from models.evaluation.flag_rule import flags
from models.evaluation.freezing import freeze_hu_rules, freeze_on_calibration
from models.evaluation.frozen_rules import frozen_with_model
from models.evaluation.measures import vertebra_metrics
from models.evaluation.metric import Metric, undefined
from models.evaluation.paper_protocol import paper_protocol
from models.evaluation.published import published_figures
from models.evaluation.report_file import EvaluationReport, FrozenOnCalibration, ModelIdentity, Subgroup
from models.evaluation.settings import EvaluateParams
from models.evaluation.subgroups import group_metrics, subgroups
from models.evaluation.tables import MeasuredTables, measured_tables
from models.evaluation.vendors import worst_vendor

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
    latents: pd.DataFrame | None = None,
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
    latents
        Of a simulated cohort: its hidden causes, one row per patient with a column `patient` as in `crops`, for
        the ceiling (see `models.evaluation.baselines.ceiling_predictions`).

    Raises
    ------
    TestSetEmptyError, CalibrationError, PredictionTableError
        Nobody in the test split; too few calibration patients; a damaged table of predictions. A metric that
        is not defined never raises: it carries its reason.
    """
    needed = params.minimum_levels if frozen_rules is None else frozen_rules.minimum_levels
    tables = measured_tables(crops, max(needed, params.minimum_levels), scales)
    patients = tables.patients
    calibration, test = (patients[patients["split"] == split] for split in ("calibration", "test"))
    if test.empty:
        raise TestSetEmptyError("the crop store has no test patient with enough levels; add patients")
    judged = set(patients["patient"])
    levels = tables.levels[tables.levels["patient"].isin(judged)]
    test_levels, calibration_levels = (levels[levels["split"] == split] for split in ("test", "calibration"))
    if frozen_rules is None:
        frozen = freeze_on_calibration(calibration, calibration_levels, scales, params)
        rules = decision_rules(patients, frozen, data, versions, scales, params)
    else:
        frozen, rules = frozen_with_model(frozen_rules), frozen_rules
        calibration = calibration.iloc[:0]  # whoever is called so here froze nothing
    test = test.assign(flagged=flags(test, test_levels, rules))
    hu_rules = freeze_hu_rules(calibration, calibration_levels, rules, scales, params)
    frozen = frozen.model_copy(update={"hu_rule_hu": hu_rules["hu"]})
    of_network = group_metrics(test, frozen.patient, frozen, scales, params)
    groups = subgroups(test, frozen, scales, params)
    beside = judge_beside(patients, latents, list(of_network), scales, params)
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
        flag_on=params.flag_on,
        counts=counted(crops, tables, levels, test, scales),
        frozen=frozen,
        patient={
            **of_network,
            **worst_vendor(test, params.subgroups.minimum_patients, params.resampling),
        },
        vertebra=vertebra_metrics(test_levels, frozen.vertebra, scales, params),
        by_vendor={vendor: _spelt_out(group, list(of_network)) for vendor, group in groups["vendor"].items()},
        baselines=beside.metrics,
        gains=beside.gains,
        paper=published_figures(params.confidence),
        scales=scales,
        paper_protocol=paper_protocol(test_levels, scales, params.resampling),
        alternatives=alternatives(test, frozen.alternatives, scales, params),
        subgroups=groups,
        flag_rules=flag_rules(test, hu_rules, scales, params),
        decision_curves=decision_curves(calibration, test, scales, params),
        figures=(),
        notes=_notes(frozen, scales, own=frozen_rules is None),
    )
    return Evaluation(report, tables, beside.tables, rules)


def _spelt_out(group: Subgroup, names: list[str]) -> dict[str, Metric]:
    """The group's metrics; where there are too few patients, every name with that reason."""
    if group.reason is None:
        return group.metrics
    return {name: undefined(group.reason, group.n, "not judged") for name in names}


def _notes(frozen: FrozenOnCalibration, scales: ScalesParams, *, own: bool) -> tuple[str, ...]:
    low, high = scales.tbs_bmi_kg_m2
    notes = [
        "Cut-offs and interval widths were frozen on calibration patients, none of them a test patient."
        if own
        else "Cut-offs and interval widths are those frozen with the model; none was chosen on this data.",
        "A vertebra has a finding when its own DXA value lies beyond the L1-L4 cut; intervals over vertebrae resample "
        "patients.",
        "Baselines are regressions fitted on train patients and judged on the same test patients; where a patient "
        "lacks a covariate, on those who do not.",
        f"TBS is judged only where BMI is known and {low:g} to {high:g} kg/m2.",
        f"Percent of the young adult mean: of {young_adult_mean_g_cm2(scales):.3f} g/cm2"
        + (f", the peak of {scales.reference.name}; no Japanese mean is set." if _no_yam(scales) else "."),
    ]
    for name, cutoff in frozen.patient.items():
        if cutoff.method.startswith("published"):
            notes.append(f"{name}: {cutoff.method}.")
    return tuple(notes)


def _no_yam(scales: ScalesParams) -> bool:
    return scales.young_adult_mean.mean_g_cm2 is None
