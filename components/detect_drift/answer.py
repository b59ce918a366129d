"""Answering simulated studies: the served model over gRPC, the frozen rules, a row for the prediction log."""

from __future__ import annotations

import time
from datetime import datetime

import structlog

from components.deploy_triton.client import TritonClient
from components.detect_drift.study import TrafficStudy
from models.decision import Decision, DecisionRefusedError, DecisionRules, EstimateFaultError, decide
from monitoring.prediction_row import PredictionRow, Source

_log = structlog.get_logger()
DATA_KIND = "simulated"  # of this traffic, whatever the model was trained on


def answer(
    study: TrafficStudy,
    client: TritonClient,
    rules: DecisionRules,
    *,
    version: str,
    source: Source,
    timestamp: datetime,
) -> PredictionRow | str:
    """The log's row of one study, or the code with which the decision refused it.

    Raises
    ------
    TritonUnavailableError, TritonAnswerError
        When the server gives no usable answer.
    """
    started = time.perf_counter()
    estimates = client.predict(study.crops, study.acquisition(), version=version)
    try:
        decision = decide(estimates.bmd_g_cm2, estimates.tbs, study.age_years, study.sex, rules)
    except DecisionRefusedError as error:
        return error.code
    except EstimateFaultError as error:
        _log.warning("traffic.estimate_fault", study=study.study, vendor=study.vendor, reason=str(error))
        return "ESTIMATE_FAULT"
    latency_ms = 1000 * (time.perf_counter() - started)
    return _row(study, decision, estimates.model_version, latency_ms, source, timestamp)


def _row(
    study: TrafficStudy,
    decision: Decision,
    model_version: str,
    latency_ms: float,
    source: Source,
    timestamp: datetime,
) -> PredictionRow:
    return PredictionRow(
        timestamp=timestamp,
        study=study.study,
        vendor=study.vendor,
        model=study.model,
        kvp=study.kvp,
        kernel_class=study.kernel_class,
        slice_thickness_mm=study.slice_thickness_mm,
        pixel_spacing_mm=study.pixel_spacing_mm,
        **study.statistics,
        bmd_g_cm2=decision.bmd_g_cm2,
        tbs=decision.tbs,
        bmd_interval_width_g_cm2=decision.bmd_high_g_cm2 - decision.bmd_low_g_cm2,
        tbs_interval_width=decision.tbs_high - decision.tbs_low,
        flag=decision.flag,
        model_version=model_version,
        latency_ms=latency_ms,
        source=source,
        data_kind=DATA_KIND,
    )
