"""The frame every pipeline step runs in: its parameters, its record, and one clear line when it fails.

A `component.py` is a thin shim around a `Step`. The record goes to the folder named by the environment
variable `OSTEOGATE_STEP_RECORDS` (set by the runner; absent on a cluster, where KFP keeps the record) and never
takes part in the step's cache key.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import structlog
from pydantic import BaseModel

from models.decision import DecisionRulesError
from models.errors import OsteoGateError
from models.params import Section, parse_section

RECORDS_VARIABLE = "OSTEOGATE_STEP_RECORDS"
COMMIT_VARIABLE = "OSTEOGATE_GIT_COMMIT"
RESUME_VARIABLE = "OSTEOGATE_RESUME"
STEP_FILE = "step.json"

log = structlog.get_logger()
SectionT = TypeVar("SectionT", bound=BaseModel)


class Site(Section):
    """Where this installation keeps things; the same definition runs with another site on a cluster.

    Attributes
    ----------
    home
        Runtime state (logs, servers, caches).
    mlflow_uri
        Tracking and registry.
    model_repository
        Triton's model repository.
    triton_environment
        Virtual environment of the local tritonserver.
    triton_url
        host:port of a running Triton's gRPC; empty to start one here.
    prediction_log_url
        SQLAlchemy URL.
    evidently_workspace
        Folder that `evidently ui --workspace` shows.
    site_key_id
        Names the key, so that another key runs ingestion again; empty for simulated data.
    site_key
        File with the pseudonymisation key; not read for simulated data.
    """

    home: Path
    mlflow_uri: str
    model_repository: Path
    triton_environment: Path
    triton_url: str
    prediction_log_url: str
    evidently_workspace: Path
    site_key: Path
    site_key_id: str = ""


class Step:
    """Context manager around one step.

    Parameters
    ----------
    name
        Of the step, as the manifest shows it.
    spec
        JSON `{"code": fingerprint, "params": {section: values}}`; part of KFP's cache key, so that a changed
        parameter or source line runs the step again.
    outputs
        Output name to path; recorded, and `step.json` is left in the first folder.
    shard
        "3-of-8" where this is that part of the step, which keeps a record of its own.
    parts
        Outputs of the shards that this puts together; their time and memory are recorded as the step's.
    """

    def __init__(
        self,
        name: str,
        spec: str,
        outputs: dict[str, str] | None = None,
        *,
        shard: str = "",
        parts: Sequence[Path] = (),
    ) -> None:
        self.name = name
        self.label = f"{name}.{shard}" if shard else name
        self.parts = parts
        self.spec: dict[str, Any] = json.loads(spec)
        self.outputs = {key: Path(value) for key, value in (outputs or {}).items()}
        named = os.environ.get(RECORDS_VARIABLE)
        self.records = Path(named) if named else None
        self.git_commit = os.environ.get(COMMIT_VARIABLE) or None
        self.resume = os.environ.get(RESUME_VARIABLE) == "1"
        self.notes: dict[str, Any] = {}
        self._last_progress = 0.0

    def params(self, section: str, model: type[SectionT]) -> SectionT:
        """Section `section` of the parameters, checked."""
        return parse_section(section, self.spec["params"].get(section, {}), model)

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Say how far the step is; cheap enough to call for every item."""
        now = time.monotonic()
        if self.records is None or (done < total and now - self._last_progress < 0.2):
            return
        self._last_progress = now
        _write_json(self.records / f"{self.label}.progress", {"done": done, "total": total, "text": text})

    def note(self, **facts: object) -> None:
        """Facts for the run's manifest."""
        self.notes.update(facts)

    def __enter__(self) -> Self:
        self.started = time.time()
        for path in self.outputs.values():
            path.parent.mkdir(parents=True, exist_ok=True)
        self._record({"state": "running"})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._record({"state": "done"})
            return
        if isinstance(error, OsteoGateError | DecisionRulesError):
            line, code = str(error), error.exit_code
        elif isinstance(error, KeyboardInterrupt):
            line, code = "interrupted", 130
        else:
            line, code = f"internal error in step {self.label}: {type(error).__name__}: {error}", 1
            log.error("step failed", step=self.label, exc_info=(kind, error, trace))
        self._record({"state": "failed", "error": line, "exit_code": code})
        print(f"{self.label}: {line}", file=sys.stderr)  # noqa: T201 - the container's log
        sys.exit(code)

    def _record(self, state: dict[str, Any]) -> None:
        usage = max(
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
            resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss,
        )
        record = {
            "step": self.name,
            "code": self.spec.get("code"),
            "started": self.started,
            "seconds": round(time.time() - self.started, 2),
            "peak_memory_mb": round(usage / 1024),
            "outputs": {key: str(path) for key, path in self.outputs.items()},
            "notes": self.notes,
            **state,
        }
        if self.parts:
            record["shards"] = _of_shards(self.parts)
        if self.records is not None:
            self.records.mkdir(parents=True, exist_ok=True)
            _write_json(self.records / f"{self.label}.json", record)
        first = next(iter(self.outputs.values()), None)
        if state["state"] == "done" and first is not None and first.is_dir():
            _write_json(first / STEP_FILE, record)


def _of_shards(parts: Sequence[Path]) -> dict[str, float]:
    """What the shards took, as they recorded it: seconds of all, memory of the largest."""
    found = [json.loads((part / STEP_FILE).read_text()) for part in parts if (part / STEP_FILE).is_file()]
    return {
        "count": len(parts),
        "seconds": round(sum(float(record["seconds"]) for record in found), 2),
        "peak_memory_mb": max((int(record["peak_memory_mb"]) for record in found), default=0),
    }


def _write_json(path: Path, document: dict[str, Any]) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(document, indent=2, default=str))
    partial.replace(path)
