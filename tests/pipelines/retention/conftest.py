"""A workspace with old and young holdings of every kind, as runs leave them, its clock set by hand."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from models.params import load_section
from pipelines.retention.params import RetentionParams, Term
from pipelines.retention.plan import RetentionPlan, plan_retention
from pipelines.workspace import Workspace
from tests.command_line import ROOT

PARAMS = load_section(ROOT / "params.yaml", "retention", RetentionParams)
NO_END = Term(days=None, size_gb=None)
DAY_S = 86400
OLD_DAYS, YOUNG_DAYS = 4000, 10  # over every term of params.yaml, and within


def write(path: Path, content: bytes = b"x" * 1000, *, days: float) -> Path:
    """A file that was last written so many days ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    age(path, days)
    return path


def age(path: Path, days: float) -> None:
    moment = time.time() - days * DAY_S
    for item in [*path.rglob("*"), path] if path.is_dir() else [path]:
        os.utime(item, (moment, moment), follow_symlinks=False)


def add_run(
    workspace: Workspace,
    name: str,
    *,
    days: float,
    latest: bool = False,
    data_version: str = "f" * 32,
    linked: bool = True,
    **manifest: object,
) -> Path:
    """A run with outputs of ingest, prepare and train, and KFP's cached results of them."""
    run = workspace.runs / name
    kfp = workspace.home / "kfp" / f"osteogate-{name.rpartition('-')[0]}"
    (run / "steps").mkdir(parents=True)
    for step, task, output in (
        ("ingest", "ingest-dicom", "intake"),
        ("prepare", "prepare-vertebrae", "store"),
        ("train", "train-resnet50", "model"),
    ):
        made = kfp / task / output
        write(made / "content.bin", days=days)
        age(kfp / task, days)
        entry = workspace.home / "kfp" / "cache" / f"{name}-{step}.json"
        write(entry, json.dumps({output: {"uri": str(made)}}).encode(), days=days)
        record = {
            "state": "done",
            "seconds": 1,
            "peak_memory_mb": 1,
            "outputs": {output: str(made)},
            "notes": {},
        }
        (run / "steps" / f"{step}.json").write_text(json.dumps(record))
        if linked:
            (run / step).symlink_to(made)
    document = {
        "state": "done",
        "data": {"version": data_version},
        "model": {"version": None},
        "gate": {},
        **manifest,
    }
    (run / "manifest.json").write_text(json.dumps(document))
    (run / "plan.json").write_text(
        json.dumps({"pipeline_root": str(workspace.home / "kfp"), "arguments": {}})
    )
    age(run, days)
    if latest:
        (workspace.runs / "latest").unlink(missing_ok=True)
        (workspace.runs / "latest").symlink_to(name)
    return run


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    root = tmp_path / "checkout"
    root.mkdir()
    shutil.copyfile(ROOT / "params.yaml", root / "params.yaml")
    (root / "pyproject.toml").write_text("")
    (root / "runs").mkdir()
    place = Workspace(root, root / ".osteogate")
    place.home.mkdir()
    return place


def plan(workspace: Workspace, params: RetentionParams = PARAMS) -> RetentionPlan:
    return plan_retention(workspace, params, period_days=30)


def gone(found: RetentionPlan) -> set[Path]:
    return {item.holding.path for item in found.expired}
