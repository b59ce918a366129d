"""Judging by rules that travel with a model: nothing is chosen again on the data that it is judged on."""

from __future__ import annotations

from models.bone_reference import ScalesParams
from models.decision import DecisionRules
from models.evaluation.calibration import FrozenCutoff
from models.evaluation.report_file import FrozenOnCalibration

METHOD = "frozen with the model (its decision.json)"
METHOD_VERTEBRA = "the patients' cut-off, frozen with the model (its decision.json)"


def frozen_with_model(rules: DecisionRules) -> FrozenOnCalibration:
    """What the model's own calibration patients froze, as decision.json holds it.

    Cut-offs per vertebra are not in it: vertebrae are called at the patients' cut-offs.
    """
    values = {
        "osteopenia": rules.cutoffs.osteopenia_bmd_g_cm2,
        "osteoporosis": rules.cutoffs.osteoporosis_bmd_g_cm2,
        "impaired_tbs": rules.cutoffs.impaired_tbs,
    }

    def at(method: str) -> dict[str, FrozenCutoff]:
        return {
            name: FrozenCutoff(value=value, method=method, positives=0, n=0) for name, value in values.items()
        }

    return FrozenOnCalibration(
        patient=at(METHOD),
        vertebra=at(METHOD_VERTEBRA),
        bmd_half_width_g_cm2=rules.bmd_half_width_g_cm2,
        tbs_half_width=rules.tbs_half_width,
        interval_coverage=rules.interval_coverage,
    )


def scales_of_model(rules: DecisionRules, scales: ScalesParams) -> ScalesParams:
    """`scales` with the reference and the published cuts that the model was frozen against."""
    reference = scales.reference.model_copy(
        update={
            "name": rules.reference.name,
            "peak_g_cm2": rules.reference.peak_g_cm2,
            "sd_g_cm2": rules.reference.sd_g_cm2,
        }
    )
    return scales.model_copy(
        update={
            "reference": reference,
            "osteopenia_t": rules.reference.osteopenia_t,
            "osteoporosis_t": rules.reference.osteoporosis_t,
            "tbs_impaired_below": rules.reference.tbs_impaired_below,
        }
    )
