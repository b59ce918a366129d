"""Work that is kept: a stage is done again only when what it is made from has changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from components.prepare_vertebrae.stream import stream_cohort
from components.prepare_vertebrae.stream_plan import StreamPlan
from components.prepare_vertebrae.stream_store import STORE
from components.prepare_vertebrae.stream_summary import MANIFEST
from models.alone_in import alone_in
from models.crop_store import CropStore, open_crop_store
from models.errors import InputError, OsteoGateError
from models.write_failure import unwritten
from pipelines.stage_progress import StageProgress

STAGE_FILE = "stage.json"
BEGUN_FILE = "begun.json"


class StudyWriteError(OsteoGateError):
    """A result of the study could not be written."""


class StudyFolderError(InputError):
    """A folder at the place of a stage is none of a study's, and is left alone."""


def kept(folder: Path, key: str) -> bool:
    """Whether the stage was finished from the same parts."""
    try:
        return bool(json.loads((folder / STAGE_FILE).read_text())["key"] == key)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def stage(folder: Path, key: str, work: Callable[[Path], None]) -> bool:
    """Do `work` into `folder` unless it is kept; True when it was done now.

    A stage of other parts is removed first; what an interrupted stage of the same parts left stays, so that
    `work` can go on from it.

    Raises
    ------
    StudyFolderError
        As `refuse_foreign`.
    StudyWriteError
        Disk full, say.
    """
    if kept(folder, key):
        return False
    refuse_foreign(folder)
    begun = folder / BEGUN_FILE
    try:
        if not (begun.is_file() and begun.read_text() == key):
            _empty(folder)
        folder.mkdir(parents=True, exist_ok=True)
        begun.write_text(key)
        work(folder)
        (folder / STAGE_FILE).write_text(json.dumps({"key": key}) + "\n")
        begun.unlink()
    except OSError as error:
        raise StudyWriteError(f"{folder}: not written {unwritten(error)}") from error
    return True


def refuse_foreign(folder: Path) -> None:
    """Leave alone what is neither a new place, nor an empty folder, nor a stage, finished or begun.

    Raises
    ------
    StudyFolderError
        Naming what to do.
    StudyWriteError
        It cannot be looked into.
    """
    try:
        if not folder.exists():
            return
        marked = (folder / STAGE_FILE).is_file() or (folder / BEGUN_FILE).is_file()
        if not folder.is_dir() or (any(folder.iterdir()) and not marked):
            raise StudyFolderError(
                f"{folder}: holds what no study wrote, and is left alone; move it away, or name another folder"
            )
    except OSError as error:
        raise StudyWriteError(f"{folder}: not read {unwritten(error)}") from error


@contextmanager
def study_folder(out: Path) -> Iterator[None]:
    """The folder of one study, which no other run works in meanwhile.

    Raises
    ------
    FolderBusyError
        Another run does.
    StudyFolderError, StudyWriteError
        As `refuse_foreign_stages`; or the folder cannot be made.
    """
    refuse_foreign_stages(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudyWriteError(f"{out}: not made {unwritten(error)}") from error
    with alone_in(out):
        yield


def refuse_foreign_stages(out: Path) -> None:
    """`refuse_foreign` of every place of a stage in the study's folder, before hours of work.

    Raises
    ------
    StudyFolderError, StudyWriteError
        As `refuse_foreign`.
    """
    patterns = ("model", "predictions/*", "vendors/*/training", "vendors/*/with/*", "vendors/*/without/*")
    for pattern in patterns:
        for folder in sorted(out.glob(pattern)):
            refuse_foreign(folder)


def _empty(folder: Path) -> None:
    """Remove all of a stage but its mark, so that a removal that is interrupted is still a stage's folder."""
    begun, done = folder / BEGUN_FILE, folder / STAGE_FILE
    if done.is_file():
        done.replace(begun)
    if begun.is_file():
        begun.write_text("")  # of no parts
    for path in folder.iterdir() if folder.exists() else ():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path != begun:
            path.unlink()


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
