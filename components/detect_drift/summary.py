"""What the drift step found, and the files that say so."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from monitoring.drift import judge
from monitoring.drift_page import PageContext, write_drift_page
from monitoring.params import MonitorParams
from monitoring.reference import Reference
from monitoring.verdict import Judgement

SCHEMA_VERSION = 1
SIMULATED_NOTICE = "Simulated phantoms, not patients"


@dataclass(frozen=True)
class DriftSummary:
    """Result of one comparison.

    Attributes
    ----------
    page, report
        index.html and drift.json.
    notes
        What was left out, refused or rehearsed, in sentences.
    """

    judgement: Judgement
    model_version: str
    data_kind: str
    page: Path
    report: Path
    notes: tuple[str, ...]

    @property
    def found(self) -> bool:
        """Whether any vendor drifted or is new."""
        return bool(self.judgement.alerts)

    @property
    def verdicts(self) -> dict[str, dict[str, Any]]:
        """Vendor to status, counts, what moved, and the sentence for people."""
        return {
            verdict.vendor: {
                "status": verdict.status.value,
                "reference_n": verdict.reference_n,
                "current_n": verdict.current_n,
                "moved": [item.name for item in verdict.moved],
                "words": verdict.words(),
            }
            for verdict in self.judgement.vendors
        }


def summarise(
    reference: Reference,
    current: pd.DataFrame,
    monitor: MonitorParams,
    context: PageContext,
    *,
    out: Path,
    workspace: Path | None,
) -> DriftSummary:
    """Judge, and write `out/drift.json`, `out/index.html` and `out/<vendor>.html`."""
    out.mkdir(parents=True, exist_ok=True)
    with threadpool_limits(1):  # frames this small are slower on more threads
        judgement = judge(
            reference.frame,
            current,
            monitor,
            out=out,
            workspace=workspace,
            moment=context.moment,
            notice=SIMULATED_NOTICE if reference.data_kind == "simulated" else "",
        )
        write_drift_page(out / "index.html", judgement, reference.frame, current, context)
    document = {
        "schema_version": SCHEMA_VERSION,
        "data_kind": reference.data_kind,
        "model_version": reference.model_version,
        "judged": context.moment.isoformat(),
        "reference_period": context.reference_period,
        "current_period": context.current_period,
        "notes": list(context.notes),
        **judgement.document(),
    }
    partial = out / ".drift.json.partial"
    partial.write_text(json.dumps(document, indent=2, allow_nan=False))
    partial.replace(out / "drift.json")
    return DriftSummary(
        judgement,
        reference.model_version,
        reference.data_kind,
        out / "index.html",
        out / "drift.json",
        context.notes,
    )


def period_words(frame: pd.DataFrame) -> str:
    """For example: 160 studies, 2026-09-01 to 2026-09-30."""
    if frame.empty:
        return "no studies"
    first, last = frame["timestamp"].min(), frame["timestamp"].max()
    return f"{len(frame)} studies, {first:%Y-%m-%d} to {last:%Y-%m-%d}"
