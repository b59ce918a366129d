"""What calibration patients decide once and for all: cut-offs, interval widths, cuts on trabecular HU."""

from __future__ import annotations

import pandas as pd

from models.bone_reference import ScalesParams
from models.decision import DecisionRules
from models.evaluation.calibration import FrozenCutoff
from models.evaluation.conformal import conformal_half_width
from models.evaluation.findings import alternative_findings
from models.evaluation.flag_rule import any_finding, flags, freeze_hu_rule
from models.evaluation.measures import UNITS, freeze_cutoffs, freeze_finding, pairs
from models.evaluation.report_file import FrozenOnCalibration
from models.evaluation.settings import CutoffRule, EvaluateParams


def freeze_on_calibration(
    calibration: pd.DataFrame, levels: pd.DataFrame, scales: ScalesParams, params: EvaluateParams
) -> FrozenOnCalibration:
    """Cut-offs and interval widths.

    Parameters
    ----------
    calibration, levels
        Calibration patients and their levels, one row each, with estimates.

    Raises
    ------
    CalibrationError
        Too few of them.
    """
    data = {target: pairs(calibration, target) for target in UNITS}
    half_widths = {
        target: conformal_half_width(found.truth, found.predicted, params.interval_coverage)
        for target, found in data.items()
    }
    youden = CutoffRule(method="youden")
    return FrozenOnCalibration(
        patient=freeze_cutoffs(calibration, scales, params),
        vertebra=freeze_cutoffs(levels, scales, params, per_level=True),
        alternatives={
            finding.name: freeze_finding(calibration, finding, scales, params, youden)
            for finding in alternative_findings(scales)
        },
        bmd_half_width_g_cm2=half_widths["bmd"],
        tbs_half_width=half_widths["tbs"],
        interval_coverage=params.interval_coverage,
        interval_method="split conformal, absolute residuals (crepes)",
        interval_patients={target: len(found.truth) for target, found in data.items()},
    )


def freeze_hu_rules(
    calibration: pd.DataFrame,
    levels: pd.DataFrame,
    rules: DecisionRules,
    scales: ScalesParams,
    params: EvaluateParams,
) -> dict[str, FrozenCutoff | None]:
    """Cuts on trabecular HU: Youden's, and the one as sensitive as the network on calibration patients.

    None where there is no such cut, as without calibration patients.
    """
    if calibration.empty:
        return {"hu": None, "hu_at_network_sensitivity": None}
    has, judged = any_finding(calibration, scales, params.flag_on)
    found = flags(calibration, levels, rules)[has & judged]
    reached = float(found.mean()) if len(found) else 0.0
    return {
        "hu": freeze_hu_rule(calibration, scales, params),
        "hu_at_network_sensitivity": (
            freeze_hu_rule(calibration, scales, params, reached) if reached > 0.5 else None
        ),
    }
