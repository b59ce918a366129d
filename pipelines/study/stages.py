"""Work that is kept: a stage is done again only when what it is made from has changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from components.prepare_vertebrae.stream import stream_cohort
from components.prepare_vertebrae.stream_plan import StreamPlan
from components.prepare_vertebrae.stream_store import STORE
from components.prepare_vertebrae.stream_summary import MANIFEST
from models.crop_store import CropStore, open_crop_store
from models.errors import OsteoGateError
from pipelines.stage_progress import StageProgress

STAGE_FILE = "stage.json"


class StudyWriteError(OsteoGateError):
    """A result of the study could not be written."""


def kept(folder: Path, key: str) -> bool:
    """Whether the stage was finished from the same parts."""
    try:
        return bool(json.loads((folder / STAGE_FILE).read_text())["key"] == key)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def stage(folder: Path, key: str, work: Callable[[Path], None]) -> bool:
    """Do `work` into `folder` unless it is kept; True when it was done now.

    A folder of other parts is removed first; what an interrupted stage of the same parts left stays, so that
    `work` can go on from it.

    Raises
    ------
    StudyWriteError
        Disk full, say.
    """
    if kept(folder, key):
        return False
    begun = folder / "begun.json"
    try:
        if folder.exists() and not (begun.is_file() and begun.read_text() == key):
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        begun.write_text(key)
        work(folder)
        begun.unlink()
        (folder / STAGE_FILE).write_text(json.dumps({"key": key}) + "\n")
    except OSError as error:
        raise StudyWriteError(
            f"{folder}: not written ({error.strerror}); free disk space, run again"
        ) from error
    return True


def cohort_store(
    plan: StreamPlan, folder: Path, name: str, console: Console, workers: int | None
) -> CropStore:
    """The streamed cohort, made or kept.

    Raises
    ------
    OsteoGateError
        What `stream_cohort` raises.
    """
    if _version(folder) == plan.data_version:
        console.print(f"{name}: kept", highlight=False)
    else:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with StageProgress(console, f"{name}: {plan.patients} patients, seed {plan.seed}") as progress:
            stream_cohort(
                plan, folder, workers=workers, progress=progress, overwrite=(folder / MANIFEST).is_file()
            )
    return open_crop_store(folder / STORE)


def _version(folder: Path) -> str | None:
    try:
        return str(json.loads((folder / MANIFEST).read_text())["data_version"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
