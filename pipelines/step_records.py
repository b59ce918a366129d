"""What became of each step of a run: read from the records that steps leave and from KFP's cache-hit log lines."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from components.step import STEP_FILE
from pipelines.steps import STEPS, StepInfo

State = Literal["waiting", "running", "done", "reused", "failed", "interrupted"]
CACHE_HIT = re.compile(r"Task (\S+) cache hit \(key=([0-9a-f]+)\)")


@dataclass(frozen=True)
class StepRecord:
    """State of one step.

    Attributes
    ----------
    seconds
        Of this run; None when reused or not run.
    seconds_when_made
        Of the run that made a reused output.
    output
        Folder of the step's output artifact.
    """

    name: str
    state: State
    seconds: float | None = None
    seconds_when_made: float | None = None
    peak_memory_mb: int | None = None
    output: Path | None = None
    error: str | None = None
    exit_code: int | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    progress: dict[str, Any] = field(default_factory=dict)


def read_records(records: Path, run_log: Path, cache_root: Path) -> dict[str, StepRecord]:
    """Records of every step, in pipeline order."""
    hits = dict(CACHE_HIT.findall(run_log.read_text(errors="replace"))) if run_log.is_file() else {}
    return {step.name: _read_one(step, records, hits.get(step.task), cache_root) for step in STEPS}


def _read_one(step: StepInfo, records: Path, hit: str | None, cache_root: Path) -> StepRecord:
    if hit is not None:
        return _reused(step, hit, cache_root)
    document = _json(records / f"{step.name}.json")
    if document is None:
        return StepRecord(step.name, "waiting")
    output = document["outputs"].get(step.output)
    return StepRecord(
        step.name,
        document["state"],
        seconds=document["seconds"] if document["state"] != "running" else None,
        peak_memory_mb=document["peak_memory_mb"],
        output=Path(output) if output else None,
        error=document.get("error"),
        exit_code=document.get("exit_code"),
        notes=document["notes"],
        progress=_json(records / f"{step.name}.progress") or {},
    )


def _reused(step: StepInfo, key: str, cache_root: Path) -> StepRecord:
    entry = next((_json(path) for path in cache_root.glob(f"{key}*.json")), None) or {}
    uri = entry.get(step.output, {}).get("uri") if step.output else None
    made = _json(Path(uri) / STEP_FILE) if uri else None
    return StepRecord(
        step.name,
        "reused",
        seconds_when_made=made["seconds"] if made else None,
        output=Path(uri) if uri else None,
        notes=made["notes"] if made else {},
    )


def _json(path: Path) -> dict[str, Any] | None:
    try:
        document: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    return document
