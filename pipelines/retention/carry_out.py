"""Deleting what a plan names, one line of record each, and nothing that lies elsewhere."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import structlog

from models.errors import OsteoGateError
from models.write_failure import unwritten
from monitoring.prediction_log import PredictionLog
from pipelines.retention.holdings import KFP_CACHE, Holding
from pipelines.retention.plan import RetentionPlan
from pipelines.workspace import Workspace

DELETIONS_FILE = "deletions.jsonl"
# names that this program gives: runs, data versions, steps; any other could be a person's, so its hash stands for it
OWN_NAMES = re.compile(
    r"\d{8}-\d{6}-[0-9a-f]{4}|[0-9a-f]{8,64}(\.dir)?(\.shard-\d+-of-\d+)?|osteogate-[0-9-]+|traffic|download|"
    r"[a-z]+-(dicom|vertebrae|resnet50|champion|model|promotion|triton|drift|data|shard|intake|crops)|"
    r"for-loop-[0-9-]+-iteration-\d+|"
    r"(triton|mlflow|evidently|internal-error)\.log(\.\d+)?"
)
log = structlog.get_logger()


class RetentionError(OsteoGateError):
    """Something that was to go could not be deleted; the rest has gone."""


def apply_plan(plan: RetentionPlan, workspace: Workspace) -> None:
    """Delete what the plan names; each deletion is logged and recorded in `deletions.jsonl` of the home.

    What KFP keeps of a step's result goes first, so that no later run is pointed at a folder that is gone.

    Raises
    ------
    RetentionError
        After everything else was deleted: what could not be.
    """
    failed: list[str] = []
    roots = (workspace.home.resolve(), workspace.runs.resolve())
    forget_results([item.holding.path for item in plan.expired], workspace)
    for item in plan.expired:
        try:
            delete_inside(item.holding.path, roots)
        except OSError as error:
            failed.append(f"{item.holding.path}: not deleted {unwritten(error)}")
            continue
        record_deletion(
            workspace,
            kind=item.holding.kind.value,
            name=safe_name(item.holding),
            files=item.holding.file_count,
            bytes=item.holding.byte_count,
            age_days=round(plan.age_days(item.holding), 1),
            reason=item.reason,
        )
        _drop_empty_parent(item.holding.path, workspace)
    if plan.predictions_before is not None and plan.prediction_count:
        rows, exams = PredictionLog(workspace.prediction_log_url, create=False).delete(
            before=plan.predictions_before
        )
        record_deletion(
            workspace,
            kind="predictions",
            rows=rows,
            outcomes=exams,
            before=plan.predictions_before.isoformat(),
        )
    if failed:
        raise RetentionError("\n".join(failed))


def delete_inside(path: Path, roots: tuple[Path, ...]) -> None:
    """Delete a file or folder that really lies below one of the roots; links in it go, what they name stays.

    Raises
    ------
    OSError
        It is a link, lies elsewhere (a folder on the way is a link), or cannot be deleted.
    """
    parent = path.parent.resolve(strict=True)
    if path.is_symlink() or not any(root == parent or root in parent.parents for root in roots):
        raise OSError(1, "it is a link or lies outside the workspace", str(path))
    if path.is_dir():
        shutil.rmtree(path)  # by descriptor: a folder that becomes a link meanwhile is not entered
    else:
        path.unlink()


def forget_results(paths: Iterable[Path], workspace: Workspace) -> int:
    """Drop KFP's cached results whose output lies in one of the paths; gives how many."""
    gone = [path.resolve() for path in paths]
    dropped = 0
    for entry in sorted((workspace.home / "kfp" / KFP_CACHE).glob("*.json")):
        try:
            document = json.loads(entry.read_text(encoding="utf-8"))
            uris = [str(item.get("uri", "")) for item in document.values() if isinstance(item, dict)]
        except (OSError, ValueError, AttributeError):
            continue
        outputs = [Path(uri).resolve() for uri in uris if uri.startswith("/")]
        if any(place == output or place in output.parents for place in gone for output in outputs):
            entry.unlink()
            dropped += 1
    return dropped


def safe_name(holding: Holding) -> str:
    """A name for logs: the entry's own where this program gave it, else a hash of it."""
    path = holding.path
    depth = next((depth for depth, folder in enumerate(path.parents[:3]) if folder.name == "kfp"), 0)
    parts = path.parts[-1 - depth :]
    return "/".join(part if OWN_NAMES.fullmatch(part) else _hashed(part) for part in parts)


def record_deletion(workspace: Workspace, **facts: object) -> None:
    """One line to the log and to `deletions.jsonl`, which outlives what it tells of."""
    log.info("deleted", **facts)
    line = json.dumps({"at": datetime.now(UTC).isoformat(timespec="seconds"), **facts})
    place = workspace.home / DELETIONS_FILE
    try:
        with place.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise RetentionError(f"{place}: record of deletions not written {unwritten(error)}") from error


def _hashed(name: str) -> str:
    return "#" + hashlib.sha256(name.encode()).hexdigest()[:12]


def _drop_empty_parent(path: Path, workspace: Workspace) -> None:
    """The folder of a KFP run goes with its last step, that of a shard with the shard's task."""
    for parent in path.parents[:2]:
        if workspace.home / "kfp" not in parent.parents or any(parent.iterdir()):
            return
        parent.rmdir()
