"""The prediction log's current period against the reference of the model that answered."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from components.detect_drift.summary import DriftSummary, period_words, summarise
from models.errors import InputError
from monitoring.drift_page import PageContext
from monitoring.params import MonitorParams
from monitoring.prediction_log import PredictionLog
from monitoring.prediction_row import Source
from monitoring.reference import load_reference

CURRENT_SOURCES = (Source.TRAFFIC_CURRENT, Source.PREDICT, Source.GATEWAY)


class NothingToCompareError(InputError):
    """The log holds no answer in the period."""


def reference_file(folder: Path, model_version: str) -> Path:
    """Where the reference of a model version is kept."""
    return folder / f"reference-{model_version}.parquet"


def compare_log(
    *,
    log_url: str,
    references: Path,
    out: Path,
    monitor: MonitorParams,
    since: datetime | None = None,
    until: datetime | None = None,
    workspace: Path | None = None,
) -> DriftSummary:
    """Compare what the latest model version answered in a period with its reference.

    Parameters
    ----------
    references
        Folder of `reference-<model version>.parquet`.
    since, until
        Period (with time zone). Without `since`, the `monitor.period_days` days that end at `until` or, without
        that, at the latest answer that can be compared.

    Raises
    ------
    NothingToCompareError
        No answer in the period.
    ReferenceUnreadableError
        The model version has no reference.
    PredictionLogError, PredictionLogUnreachableError
        The log cannot be used.
    """
    length = pd.Timedelta(days=monitor.period_days)
    if since is None and until is not None:
        since = until - length
    log = PredictionLog(log_url, create=False)
    rows = log.read(since, until, CURRENT_SOURCES)
    if rows.empty:
        words = f"from {since or 'the beginning'} to {until or 'now'}"
        raise NothingToCompareError(
            f"prediction log {log.place}: no answer {words}; widen --since and --until"
        )
    version = str(rows["model_version"].iloc[-1])
    reference = load_reference(reference_file(references, version))
    current, notes = comparable(rows, version, reference.data_kind)
    if since is None and not current.empty:
        current = current[current["timestamp"] > current["timestamp"].max() - length].reset_index(drop=True)
    context = PageContext(
        moment=datetime.now(UTC),
        model_version=version,
        data_kind=reference.data_kind,
        reference_period=period_words(reference.frame),
        current_period=period_words(current),
        notes=notes,
    )
    return summarise(reference, current, monitor, context, out=out, workspace=workspace)


def comparable(
    rows: pd.DataFrame, model_version: str, data_kind: str
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Rows that may be held against the reference, and sentences on those left out.

    Other models' outputs are not comparable, simulated and real patients are not either, and a study answered
    twice counts once (its latest answer): the tests assume that studies are independent.
    """
    notes = []
    of_model = rows[rows["model_version"] == model_version]
    if len(of_model) < len(rows):
        notes.append(f"{len(rows) - len(of_model)} answers of other model versions are left out.")
    of_kind = of_model[of_model["data_kind"] == data_kind]
    if len(of_kind) < len(of_model):
        other = len(of_model) - len(of_kind)
        notes.append(
            f"{other} answers on other than {data_kind} data are left out: the reference is {data_kind}."
        )
    once = of_kind.drop_duplicates("study", keep="last")
    if len(once) < len(of_kind):
        notes.append(
            f"{len(of_kind) - len(once)} repeated answers are left out; the latest of each study counts."
        )
    return once.reset_index(drop=True), tuple(notes)
