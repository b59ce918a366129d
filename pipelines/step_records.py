"""What became of each step of a run: read from the records that steps leave and from KFP's cache-hit log lines."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from components.ingest_dicom.shards import Shard
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
    return {
        step.name: _read_one(step, records, hits.get(step.task) or hits.get(step.merge_task), cache_root)
        for step in STEPS
    }


def _read_one(step: StepInfo, records: Path, hit: str | None, cache_root: Path) -> StepRecord:
    if hit is not None:
        return _reused(step, hit, cache_root)
    shards = of_shards(step.name, records)
    document = _json(records / f"{step.name}.json")
    if document is None:
        return shards or StepRecord(step.name, "waiting")
    record = _recorded(step, document, records)
    if shards is None:
        return record
    return replace(
        record,
        seconds=None if record.seconds is None else round(record.seconds + (shards.seconds or 0.0), 2),
        peak_memory_mb=max(record.peak_memory_mb or 0, shards.peak_memory_mb or 0),
    )


def _recorded(step: StepInfo, document: dict[str, Any], records: Path) -> StepRecord:
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
        seconds_when_made=made["seconds"] + made.get("shards", {}).get("seconds", 0) if made else None,
        output=Path(uri) if uri else None,
        notes=made["notes"] if made else {},
    )


def of_shards(name: str, records: Path) -> StepRecord | None:
    """A step by the records of its shards in this run, before they are merged; None when it is not done in shards.

    One that failed makes the step failed, whatever the others still do; `seconds` are those of all that ended.
    """
    found = {
        Shard.parse(path.stem.removeprefix(f"{name}.")): document
        for path in records.glob(f"{name}.*-of-*.json")
        if (document := _json(path)) is not None
    }
    if not found:
        return None
    of = max(shard.of for shard in found)
    done = sum(document["state"] == "done" for document in found.values())
    partly = sum(
        progress["done"] / max(progress["total"], 1)
        for shard, document in found.items()
        if document["state"] == "running" and (progress := _json(records / f"{name}.{shard}.progress"))
    )
    failed = min(
        (shard for shard, document in found.items() if document["state"] == "failed"),
        key=lambda shard: shard.number,
        default=None,
    )
    return StepRecord(
        name,
        "running" if failed is None else "failed",
        seconds=round(sum(item["seconds"] for item in found.values() if item["state"] != "running"), 2),
        peak_memory_mb=max(document["peak_memory_mb"] for document in found.values()),
        error=None if failed is None else f"shard {failed}: {found[failed]['error']}",
        exit_code=None if failed is None else found[failed]["exit_code"],
        progress={"done": done + partly, "total": of, "text": f"{done} of {of} shards"},
    )


def _json(path: Path) -> dict[str, Any] | None:
    try:
        document: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    return document
