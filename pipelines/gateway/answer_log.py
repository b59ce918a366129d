"""An answer as a row of the prediction log: facts and figures, a keyed hash for the study, no identity."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from components.ingest_dicom.pseudonym import Pseudonymiser
from monitoring.prediction_row import PredictionRow, Source
from pipelines.gateway.answer import Answer
from pipelines.gateway.preparation import PreparedStudy


def prediction_row(
    answer: Answer,
    prepared: PreparedStudy,
    pseudonymiser: Pseudonymiser,
    *,
    latency_ms: float,
    source: Source,
) -> PredictionRow:
    """The row; a study that carries no UID (NIfTI) is named by the keyed hash of its voxels."""
    facts, decision, acquisition = prepared.study.facts, answer.decision, answer.acquisition
    study = facts.get("study")
    if not isinstance(study, str) or not study:
        volume = prepared.study.volume
        voxels = volume.hu.tobytes() if volume is not None else b""
        study = pseudonymiser.uid(hashlib.sha256(voxels).hexdigest())
    return PredictionRow(
        timestamp=datetime.now(UTC),
        study=study,
        vendor=acquisition.vendor or "",
        model=acquisition.model or "",
        kvp=acquisition.kvp,
        kernel_class=str(facts.get("kernel_class") or "unknown"),
        slice_thickness_mm=acquisition.slice_thickness_mm,
        pixel_spacing_mm=acquisition.pixel_spacing_mm,
        soft_tissue_peak_hu=answer.statistics.get("soft_tissue_peak_hu"),
        fat_peak_hu=answer.statistics.get("fat_peak_hu"),
        noise_hu=answer.statistics.get("noise_hu"),
        trabecular_hu=answer.statistics.get("trabecular_hu"),
        bmd_g_cm2=decision.bmd_g_cm2,
        tbs=decision.tbs,
        bmd_interval_width_g_cm2=decision.bmd_high_g_cm2 - decision.bmd_low_g_cm2,
        tbs_interval_width=decision.tbs_high - decision.tbs_low,
        flag=answer.flag,
        model_version=answer.model_version,
        latency_ms=latency_ms,
        source=source,
        data_kind="site",
    )
