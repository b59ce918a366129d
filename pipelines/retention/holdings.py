"""What is kept on disk, entry by entry: its kind, its size, and when it was last written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipelines.retention.params import Kind
from pipelines.workspace import Workspace

KFP_KINDS = {
    "ingest-dicom": Kind.QUARANTINE,
    "ingest-shard": Kind.QUARANTINE,
    "merge-intake": Kind.QUARANTINE,
    "validate-dicom": Kind.QUARANTINE,
    "prepare-vertebrae": Kind.CROPS,
    "prepare-shard": Kind.CROPS,
    "merge-crops": Kind.CROPS,
}  # every other step's output is of kind runs
ITERATION = "-iteration-"  # in the name of the folder that KFP puts between a run and the task of one shard
KFP_CACHE = "cache"


@dataclass(frozen=True)
class Holding:
    """One file or folder that goes or stays as a whole.

    Attributes
    ----------
    byte_count
        Of the files in it, links counted as themselves.
    written
        Seconds since 1970: the newest change of anything in it.
    """

    kind: Kind
    path: Path
    file_count: int
    byte_count: int
    written: float


@dataclass(frozen=True)
class Outside:
    """A link where a holding was expected: neither followed nor deleted."""

    kind: Kind
    path: Path


def find_holdings(workspace: Workspace) -> tuple[list[Holding], list[Outside]]:
    """Everything with a term, oldest first within its kind, and links that are left alone.

    Links are never followed: what a link leads to is not the workspace's to delete.
    """
    holdings: list[Holding] = []
    outside: list[Outside] = []
    for kind, path in _places(workspace):
        if path.is_symlink():
            outside.append(Outside(kind, path))
        else:
            holdings.append(measure(kind, path))
    holdings.sort(key=lambda item: (item.kind.value, item.written, item.path))
    return holdings, outside


def measure(kind: Kind, path: Path) -> Holding:
    """Size and age of one file or folder, without following links."""
    status = path.lstat()
    files, size, newest = (0, 0, status.st_mtime) if path.is_dir() else (1, status.st_size, status.st_mtime)
    for parent, folders, names in os.walk(path):  # walks a folder only; links to folders are not entered
        linked = [name for name in folders if Path(parent, name).is_symlink()]
        for name in [*names, *linked]:
            try:
                status = Path(parent, name).lstat()
            except FileNotFoundError:  # gone since it was listed
                continue
            files, size = files + 1, size + status.st_size
            newest = max(newest, status.st_mtime)
    return Holding(kind, path, files, size, newest)


def _places(workspace: Workspace) -> Iterator[tuple[Kind, Path]]:
    home = workspace.home
    for kind, folder in (
        (Kind.INTAKE, home / "intake"),
        (Kind.RETRIEVED, home / "retrieved"),
        (Kind.RETRIEVED, home / "scratch"),
        (Kind.CROPS, workspace.cache),
        (Kind.RUNS, home / "checkpoints"),
        (Kind.LOGS, workspace.logs),
    ):
        yield from ((kind, path) for path in _children(folder))
    for path in _children(workspace.runs):
        if path.name != "latest" and not path.name.startswith(".latest-"):
            yield Kind.RUNS, path
    for run in _children(home / "kfp"):
        if run.name == KFP_CACHE:
            continue
        if run.is_symlink() or not run.is_dir():
            yield Kind.RUNS, run
            continue
        for step in _children(run):
            shard = ITERATION in step.name and not step.is_symlink()
            tasks = _children(step) if shard else [step]
            yield from ((KFP_KINDS.get(task.name, Kind.RUNS), task) for task in tasks)


def _children(folder: Path) -> list[Path]:
    """Entries of a folder; a link in the folder's place is the only entry there is."""
    if folder.is_symlink():
        return [folder]
    return sorted(folder.iterdir()) if folder.is_dir() else []
