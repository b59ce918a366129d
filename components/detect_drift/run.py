"""The drift step: a reference month and a current period through the served model; a verdict per vendor."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import structlog

from components.deploy_triton.client import TritonClient
from components.deploy_triton.errors import TritonUnavailableError
from components.detect_drift.answer import DATA_KIND, answer
from components.detect_drift.summary import DriftSummary, period_words, summarise
from components.detect_drift.traffic import Refused, TrafficPlan, stream
from components.prepare_vertebrae.params import PrepareParams
from components.simulate_cohort.params import SimulateParams
from models.decision import DecisionRules, read_rules
from models.errors import ParameterError
from monitoring.drift_page import PageContext
from monitoring.params import MonitorParams
from monitoring.prediction_log import PredictionLog
from monitoring.prediction_row import PredictionRow, Source
from monitoring.reference import Reference, ReferenceUnreadableError, load_reference, save_reference

Progress = Callable[[int, int], None]
_log = structlog.get_logger()


@dataclass
class _Answering:
    """What answering a month needs, and its running count."""

    client: TritonClient
    rules: DecisionRules
    version: str
    workers: int
    cache: Path | None
    progress: Progress | None
    done: int
    total: int


def run(
    *,
    triton_url: str,
    log_url: str,
    reference_out: Path,
    out: Path,
    simulate_params: SimulateParams,
    prepare_params: PrepareParams,
    monitor: MonitorParams,
    rules: Path,
    hu_shift: Mapping[str, float] | None = None,
    cache: Path | None = None,
    workspace: Path | None = None,
    progress: Progress | None = None,
) -> DriftSummary:
    """Answer a reference month (unless one of this model and recipe is kept) and a current period, and judge.

    Parameters
    ----------
    triton_url
        host:port of the served model's gRPC.
    log_url
        Prediction log. With `hu_shift` the answers go to `out/rehearsal_log.db` instead: a rehearsal is never
        mixed with answers.
    reference_out
        Parquet file of the reference window; taken as it is when model version and recipe agree.
    rules
        decision.json, or the folder that holds it.
    hu_shift
        HU added to every current study of a vendor, to rehearse a calibration shift.
    cache
        Folder for the traffic's crops, which do not depend on the model.
    workspace
        Evidently workspace.
    progress
        Called with (studies done, studies in all).

    Raises
    ------
    TritonUnavailableError
        The server does not answer, or serves no version.
    ParameterError
        A shift for a vendor that the traffic does not hold.
    """
    shift = dict(hu_shift or {})
    unknown = sorted(set(shift) - set(monitor.vendors))
    if unknown:
        raise ParameterError(
            f"shift for {', '.join(unknown)}: not in the traffic; vendors: {', '.join(monitor.vendors)}"
        )
    decision_rules = read_rules(rules / "decision.json" if rules.is_dir() else rules)
    out.mkdir(parents=True, exist_ok=True)
    log = PredictionLog(f"sqlite:///{(out / 'rehearsal_log.db').absolute()}" if shift else log_url)
    now = datetime.now(UTC)
    months = {
        Source.TRAFFIC_REFERENCE: TrafficPlan(
            monitor.vendors, monitor.reference_per_vendor, monitor.reference_seed, simulate_params, prepare_params, {}
        ),
        Source.TRAFFIC_CURRENT: TrafficPlan(
            monitor.vendors, monitor.current_per_vendor, monitor.current_seed, simulate_params, prepare_params, shift
        ),
    }  # fmt: skip
    with TritonClient(triton_url) as client:
        version = served_version(client)
        recipe = _recipe(months[Source.TRAFFIC_REFERENCE])
        reference = _kept_reference(reference_out, version, recipe)
        totals = [len(months[Source.TRAFFIC_CURRENT].orders())]
        if reference is None:
            totals.append(len(months[Source.TRAFFIC_REFERENCE].orders()))
        job = _Answering(client, decision_rules, version, monitor.workers, cache, progress, 0, sum(totals))
        notes = [f"Rehearsal: {vendor} shifted by {hu:+g} HU." for vendor, hu in shift.items()]
        month = timedelta(days=monitor.period_days)
        if reference is None:
            frame, refused = _answer_month(
                months[Source.TRAFFIC_REFERENCE], job, log, Source.TRAFFIC_REFERENCE, now - 2 * month, month
            )
            notes += _refusal_notes("reference", refused)
            reference = Reference(frame, version, DATA_KIND, now, recipe)
            save_reference(reference_out, reference)
        current, refused = _answer_month(
            months[Source.TRAFFIC_CURRENT], job, log, Source.TRAFFIC_CURRENT, now - month, month
        )
        notes += _refusal_notes("current period", refused)
    context = PageContext(
        moment=now,
        model_version=version,
        data_kind=reference.data_kind,
        reference_period=period_words(reference.frame),
        current_period=period_words(current),
        notes=tuple(notes),
    )
    return summarise(reference, current, monitor, context, out=out, workspace=workspace)


def _answer_month(
    plan: TrafficPlan, job: _Answering, log: PredictionLog, source: Source, start: datetime, length: timedelta
) -> tuple[pd.DataFrame, Counter[str]]:
    """Answers of one month as the log gives them back, and how often what was refused."""
    rows: list[PredictionRow] = []
    refused: Counter[str] = Counter()
    step = length / max(len(plan.orders()), 1)
    for number, item in enumerate(stream(plan, workers=job.workers, cache=job.cache)):
        if isinstance(item, Refused):
            refused.update(item.codes)
        else:
            row = answer(
                item,
                job.client,
                job.rules,
                version=job.version,
                source=source,
                timestamp=start + number * step,
            )
            if isinstance(row, PredictionRow):
                rows.append(row)
            else:
                refused[row] += 1
        job.done += 1
        if job.progress is not None:
            job.progress(job.done, job.total)
    log.append(rows)
    _log.info("traffic.answered", source=source.value, answered=len(rows), refused=sum(refused.values()))
    names = {row.study for row in rows}
    written = log.read(start, start + length, source, model_version=job.version)
    mine = written[written["study"].isin(names)].drop_duplicates("study", keep="last")
    return mine.reset_index(drop=True), refused


def served_version(client: TritonClient) -> str:
    """The version that answers when none is asked for.

    Raises
    ------
    TritonUnavailableError
        None is loaded.
    """
    versions = client.loaded_versions()
    if not versions:
        raise TritonUnavailableError(
            f"Triton at {client.url} serves no version of {client.model}; run `osteogate serve start`"
        )
    return versions[-1]


def _recipe(plan: TrafficPlan) -> str:
    """16 hex digits over what the reference month is made of, the model apart."""
    parts = [plan.key(), plan.seed, plan.per_vendor, *plan.vendors]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _kept_reference(path: Path, version: str, recipe: str) -> Reference | None:
    """The reference that is there, if this model answered it and it was made in the same way."""
    if not path.is_file():
        return None
    try:
        reference = load_reference(path)
    except ReferenceUnreadableError as error:
        _log.warning("reference.unreadable", reason=str(error))
        return None
    if (reference.model_version, reference.recipe) != (version, recipe):
        _log.info("reference.outdated", kept_for=reference.model_version, served=version)
        return None
    return reference


def _refusal_notes(period: str, refused: Counter[str]) -> list[str]:
    if not refused:
        return []
    codes = ", ".join(f"{code} {count}" for code, count in sorted(refused.items()))
    return [f"Simulated studies refused in the {period}: {codes}."]
