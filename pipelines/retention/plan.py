"""What is over its term, and why everything else stays."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from models.errors import ParameterError
from monitoring.prediction_log import PredictionLog
from pipelines.retention.holdings import Holding, Outside, find_holdings
from pipelines.retention.needed import needed_paths, reason_to_stay
from pipelines.retention.params import Kind, RetentionParams
from pipelines.workspace import Workspace

DAY_S = 86400.0
GB = 1e9
IN_USE_DAYS = 1.0  # own choice: what was written since may be in use by a command that takes no lock

Reason = Literal["term", "size"]


@dataclass(frozen=True)
class Expired:
    """A holding that goes, and whether for its age or for the space its kind takes."""

    holding: Holding
    reason: Reason


@dataclass(frozen=True)
class Kept:
    """A holding that is over its term, or over its kind's space, and stays all the same."""

    holding: Holding
    why: str


@dataclass(frozen=True)
class RetentionPlan:
    """What a retention would do.

    Attributes
    ----------
    predictions_before
        Rows of the prediction log older than this go; None: none.
    prediction_count
        How many that is.
    """

    expired: tuple[Expired, ...]
    kept: tuple[Kept, ...]
    outside: tuple[Outside, ...]
    totals: dict[Kind, tuple[int, int]]  # entries and bytes that are there now
    predictions_before: datetime | None
    prediction_count: int
    now: float

    def age_days(self, holding: Holding) -> float:
        """Days since the holding was last written."""
        return (self.now - holding.written) / DAY_S


def plan_retention(
    workspace: Workspace, params: RetentionParams, *, period_days: int, now: float | None = None
) -> RetentionPlan:
    """Judge everything that has a term.

    Parameters
    ----------
    period_days
        Of drift detection, whose answers must not go before they were compared.
    now
        Seconds since 1970; the present by default.

    Raises
    ------
    ParameterError
        Predictions would go before a period is over.
    ServiceUnavailableError
        It cannot be said which model is the champion.
    """
    days = params.predictions.days
    if days is not None and days < period_days:
        raise ParameterError(
            f"params.yaml: retention.predictions.days: found {days}; at least monitor.period_days ({period_days}) is "
            "accepted, or drift has nothing to compare"
        )
    moment = time.time() if now is None else now
    holdings, outside = find_holdings(workspace)
    needed = needed_paths(workspace)
    expired: list[Expired] = []
    kept: list[Kept] = []
    totals: dict[Kind, tuple[int, int]] = {}
    for kind in Kind:
        of_kind = [item for item in holdings if item.kind is kind]
        totals[kind] = (len(of_kind), sum(item.byte_count for item in of_kind))
        gone, stays = _judge(of_kind, kind, params, needed, moment)
        expired += gone
        kept += stays
    before, rows = _old_predictions(workspace, params, period_days, moment)
    totals[Kind.PREDICTIONS] = _prediction_log_size(workspace)
    return RetentionPlan(tuple(expired), tuple(kept), tuple(outside), totals, before, rows, moment)


def _judge(
    holdings: list[Holding], kind: Kind, params: RetentionParams, needed: dict[Path, str], now: float
) -> tuple[list[Expired], list[Kept]]:
    """Of one kind, oldest first: by age, then by the space that the rest takes."""
    term = params.term(kind)
    left = sum(item.byte_count for item in holdings)
    limit = float("inf") if term.size_gb is None else term.size_gb * GB
    gone: list[Expired] = []
    kept: list[Kept] = []
    in_term: list[Holding] = []
    for item in holdings:
        if term.days is None or now - item.written <= term.days * DAY_S:
            in_term.append(item)
            continue
        why = reason_to_stay(item, needed)
        if why is None:
            gone.append(Expired(item, "term"))
            left -= item.byte_count
        else:
            kept.append(Kept(item, why))
    for item in in_term:
        if left <= limit:
            break
        why = reason_to_stay(item, needed)
        if why is None and now - item.written < IN_USE_DAYS * DAY_S:
            why = "written within a day"
        if why is None:
            gone.append(Expired(item, "size"))
            left -= item.byte_count
        else:
            kept.append(Kept(item, why))
    return gone, kept


def _old_predictions(
    workspace: Workspace, params: RetentionParams, period_days: int, now: float
) -> tuple[datetime | None, int]:
    """The moment before which answers go, and how many those are."""
    rows, size = _prediction_log_size(workspace)
    if not rows:
        return None, 0
    term, present = params.predictions, datetime.fromtimestamp(now, UTC)
    log = PredictionLog(workspace.prediction_log_url, create=False)
    moments = []
    if term.days is not None:
        moments.append(present - timedelta(days=term.days))
    if term.size_gb is not None and size > term.size_gb * GB:
        share = 1.0 - term.size_gb * GB / size
        oldest = log.moment_after(share)
        if oldest is not None:
            moments.append(min(oldest, present - timedelta(days=period_days)))
    if not moments:
        return None, 0
    before = max(moments)
    return before, log.count_before(before)


def _prediction_log_size(workspace: Workspace) -> tuple[int, int]:
    """Answers in the log, and bytes of its file."""
    path = workspace.home / "prediction_log.db"
    if not path.is_file():
        return 0, 0
    return PredictionLog(workspace.prediction_log_url, create=False).count_before(None), path.stat().st_size
