"""What the answers would be: the rules for decision.json."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from models import decision
from models.bone_reference import ScalesParams
from models.crop_store import CropGeometry
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

    Validated vendors are those both trained on and judged on test patients (how many it takes to say how a vendor's
    patients fare is the gate's to ask); the kVp range is that of the train patients.
    """
    train = patients[patients["split"] == "train"]
    trained = train if len(train) else patients
    judged = set(patients.loc[patients["split"] == "test", "vendor"])
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
        vendors=tuple(sorted(set(trained["vendor"]) & judged)),
        kvp_minimum=float(trained["kvp"].min()),
        kvp_maximum=float(trained["kvp"].max()),
        minimum_levels=params.minimum_levels,
    )
