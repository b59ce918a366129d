"""What the answers would be: rules for decision.json, and how they would have done on the test patients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from models import decision
from models.bone_reference import ScalesParams
from models.crop_store import CropGeometry
from models.evaluation.agreement import wilson
from models.evaluation.findings import FINDINGS
from models.evaluation.measures import pairs
from models.evaluation.metric import Metric
from models.evaluation.report_file import FrozenOnCalibration
from models.evaluation.settings import EvaluateParams


@dataclass(frozen=True)
class DataIdentity:
    """What the predictions were made on, and the shape that serving must repeat."""

    kind: Literal["simulated", "site"]
    version: str
    geometry: CropGeometry


def decision_rules(
    patients: pd.DataFrame,
    frozen: FrozenOnCalibration,
    data: DataIdentity,
    versions: decision.Versions,
    scales: ScalesParams,
    params: EvaluateParams,
) -> decision.DecisionRules:
    """The content of decision.json.

    Validated vendors are those both trained on and judged; the kVp range is that of the train patients.
    """
    train = patients[patients["split"] == "train"]
    trained = train if len(train) else patients
    seen = set(patients.loc[patients["split"].isin(["calibration", "test"]), "vendor"])
    cutoff = {name: frozen_cutoff.value for name, frozen_cutoff in frozen.patient.items()}
    return decision.DecisionRules(
        schema_version=decision.SCHEMA_VERSION,
        data_kind=data.kind,
        cutoffs=decision.Cutoffs(
            osteopenia_bmd_g_cm2=cutoff["osteopenia"],
            osteoporosis_bmd_g_cm2=cutoff["osteoporosis"],
            impaired_tbs=cutoff["impaired_tbs"],
        ),
        flag_on=tuple(params.flag_on),
        bmd_half_width_g_cm2=frozen.bmd_half_width_g_cm2,
        tbs_half_width=frozen.tbs_half_width,
        interval_coverage=frozen.interval_coverage,
        reference=decision.Reference(
            name=scales.reference.name,
            peak_g_cm2=scales.reference.peak_g_cm2,
            sd_g_cm2=scales.reference.sd_g_cm2,
            osteopenia_t=scales.osteopenia_t,
            osteoporosis_t=scales.osteoporosis_t,
            tbs_impaired_below=scales.tbs_impaired_below,
        ),
        geometry=decision.Geometry(**data.geometry.model_dump()),
        versions=versions,
        vendors=tuple(sorted(set(trained["vendor"]) & seen)),
        kvp_minimum=float(trained["kvp"].min()),
        kvp_maximum=float(trained["kvp"].max()),
        minimum_levels=params.minimum_levels,
    )


def interval_coverage(
    test: pd.DataFrame, half_widths: dict[str, float], confidence: float
) -> dict[str, Metric]:
    """Share of test patients whose DXA value lies inside their prediction interval."""
    metrics = {}
    for target, half_width in half_widths.items():
        truth, predicted, _ = pairs(test, target)
        held = np.abs(predicted - truth) <= half_width
        metrics[f"{target}.interval_coverage"] = wilson(int(held.sum()), len(held), confidence)
    return metrics


def flagging(
    test: pd.DataFrame,
    levels: pd.DataFrame,
    rules: decision.DecisionRules,
    scales: ScalesParams,
    confidence: float,
) -> dict[str, Metric]:
    """What the answers would have been: the very function that answers patients, on the test patients."""
    by_patient = dict(tuple(levels.groupby("patient")))
    flagged = []
    for patient in test["patient"]:
        of_levels = by_patient[patient]
        bmd, tbs = of_levels["bmd_pred_g_cm2"].to_numpy(), of_levels["tbs_pred"].to_numpy()
        try:
            flagged.append(decision.decide(bmd, tbs, None, None, rules).flag)
        except decision.EstimateFaultError:
            flagged.append(True)  # served, this answer would be an error and the patient sent on
    flags = np.array(flagged, dtype=bool)
    bmd_truth = test["bmd_l1_l4_g_cm2"].to_numpy(dtype=np.float64)
    truth = {
        finding.name: finding.truth(
            bmd_truth if finding.target == "bmd" else test["tbs_l1_l4"].to_numpy(dtype=np.float64), scales
        )
        for finding in FINDINGS
    }
    healthy = ~(truth["osteopenia"] | truth["impaired_tbs"])
    metrics = {"flag.share": wilson(int(flags.sum()), len(flags), confidence)}
    for name, who in truth.items():
        metrics[f"flag.{name}_flagged"] = wilson(int(flags[who].sum()), int(who.sum()), confidence)
    metrics["flag.healthy_not_flagged"] = wilson(int((~flags[healthy]).sum()), int(healthy.sum()), confidence)
    return metrics
