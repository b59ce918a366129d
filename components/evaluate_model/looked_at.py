"""The judged model's saliency joins its evaluation."""

from __future__ import annotations

from dataclasses import replace

import structlog

from models.artefact import LoadedModel
from models.crop_store import CropStore
from models.evaluation.bootstrap import Resampling
from models.evaluation.report import Evaluation
from models.evaluation.saliency_measure import measure_saliency
from models.occlusion import OcclusionError
from models.saliency import Attribution


def with_saliency(
    judged: Evaluation, model: LoadedModel, store: CropStore, how: Resampling
) -> tuple[Evaluation, list[Attribution]]:
    """The evaluation with section `saliency`; without it where too few patients can be exchanged."""
    try:
        facts, attributions = measure_saliency(model, store, how)
    except OcclusionError as error:
        structlog.get_logger().warning("saliency_not_measured", reason=str(error))
        return judged, []
    return replace(judged, report=judged.report.model_copy(update={"saliency": facts})), attributions
