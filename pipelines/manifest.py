"""runs/<run-id>/manifest.json: what ran on what, with which result. Counts add up; no patient identifiers."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from pipelines.step_records import StepRecord
from pipelines.workspace import Workspace

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class RunFacts:
    """What is known of a run from its start."""

    run_id: str
    started: datetime
    git_commit: str | None
    git_dirty: bool
    params: dict[str, Any]
    policy: str
    profile: str | None = None


class StepEntry(BaseModel):
    """One step in the manifest."""

    name: str
    state: str
    seconds: float | None
    seconds_when_made: float | None
    peak_memory_mb: int | None
    output: str | None
    error: str | None


class Manifest(BaseModel):
    """The whole manifest.

    Attributes
    ----------
    metrics
        `{"bmd.pearson_r": {"value", "low", "high", "n", ...}, ...}`, test patients.
    counts
        Files, series, exams, patients and crops through the steps.
    drift
        Verdict per vendor.
    """

    schema_version: int = SCHEMA_VERSION
    run_id: str
    state: str
    error: str | None
    started: datetime
    finished: datetime
    data: dict[str, Any]
    git: dict[str, Any]
    policy: str
    profile: str | None = None
    params: dict[str, Any]
    steps: list[StepEntry]
    counts: dict[str, Any]
    metrics: dict[str, Any]
    gate: dict[str, Any]
    model: dict[str, Any]
    drift: dict[str, Any]
    paths: dict[str, str]


def git_state(root: Path) -> tuple[str | None, bool]:
    """Commit and whether the tree has uncommitted changes; (None, False) outside git."""
    try:
        commit = _git(root, "rev-parse", "HEAD")
        dirty = bool(_git(root, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.CalledProcessError):
        return None, False
    return commit, dirty


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def build_manifest(
    folder: Path,
    *,
    state: str,
    error: str | None,
    records: dict[str, StepRecord],
    workspace: Workspace,
    facts: RunFacts,
) -> Manifest:
    """Gather the manifest from the steps' records and outputs."""
    deployed = records["deploy"].notes
    return Manifest(
        run_id=facts.run_id,
        state=state,
        error=error,
        started=facts.started,
        finished=datetime.now(UTC),
        data=records["data"].notes,
        git={"commit": facts.git_commit, "dirty": facts.git_dirty},
        policy=facts.policy,
        profile=facts.profile,
        params=facts.params,
        steps=[_entry(record, state) for record in records.values()],
        counts={
            name: records[name].notes["counts"]
            for name in ("ingest", "validate", "prepare")
            if "counts" in records[name].notes
        },
        metrics=_metrics(records["evaluate"]),
        gate=records["gate"].notes,
        model=deployed
        or {"version": records["champion"].notes.get("version"), "deployed_by_this_run": False},
        drift=records["drift"].notes.get("verdicts", {}),
        paths=_paths(folder, workspace, records),
    )


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Beside and renamed in."""
    partial = folder / ".manifest.partial"
    partial.write_text(manifest.model_dump_json(indent=2))
    partial.replace(folder / "manifest.json")


def _entry(record: StepRecord, run_state: str) -> StepEntry:
    state: str = record.state
    if run_state != "running":
        state = {"waiting": "not run", "running": "interrupted"}.get(state, state)
    return StepEntry(
        name=record.name,
        state=state,
        seconds=record.seconds,
        seconds_when_made=record.seconds_when_made,
        peak_memory_mb=record.peak_memory_mb,
        output=str(record.output) if record.output else None,
        error=record.error,
    )


def _metrics(record: StepRecord) -> dict[str, Any]:
    report = record.output / "report.json" if record.output else None
    if report is None or not report.is_file():
        return {}
    metrics: dict[str, Any] = json.loads(report.read_text())["patient"]
    return metrics


PAGES = {
    "validation summary": ("validate", "summary.html"),
    "Data Docs": ("validate", "data_docs/index.html"),
    "contact sheet": ("prepare", "contact_sheet.png"),
    "evaluation report": ("evaluate", "report.html"),
    "gate decision": ("gate", "decision.html"),
    "drift": ("drift", "index.html"),
}


def _paths(folder: Path, workspace: Workspace, records: dict[str, StepRecord]) -> dict[str, str]:
    """Pages to look at next, as paths below the run folder, where they exist."""
    paths = {"manifest": str(folder / "manifest.json"), "log": str(folder / "run.log")}
    for title, (step, page) in PAGES.items():
        output = records[step].output
        if output is not None and (output / page).exists():
            paths[title] = str(folder / step / page)
    paths["server logs"] = str(workspace.logs)
    return paths
