"""A folder that is complete or not at all, is gone on with when interrupted, and replaces nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.alone_in import alone_in
from models.errors import OsteoGateError, ParameterError
from models.replace_folder import replace_folder
from models.write_failure import unwritten

RECIPE = "recipe.json"  # of a partial folder only


class CohortExistsError(ParameterError):
    """The target folder holds something already."""


class CohortWriteError(OsteoGateError):
    """The cohort could not be written (disk full, say)."""


def refuse_target(out: Path, *, overwrite: bool, document: str | None = None, what: str = "cohort") -> None:
    """Leave alone what is no folder, what is not empty, and, where a document is named, what is no cohort.

    Parameters
    ----------
    document
        The file that every such cohort holds; None overwrites whatever the folder holds.
    what
        The name of such a cohort, for the message.

    Raises
    ------
    CohortExistsError
        `out` is no folder, or is not empty and `overwrite` is false or `document` is not in it.
    """
    if out.exists() and not out.is_dir():
        raise CohortExistsError(f"{out}: is no folder, and is left alone; name a new folder")
    if not out.exists() or not any(out.iterdir()):
        return
    if not overwrite:
        raise CohortExistsError(f"{out}: exists and is not empty; name a new folder or allow overwriting")
    if document is not None and not (out / document).is_file():
        raise CohortExistsError(f"{out}: holds no {what}, and is left alone; name a new folder")


@contextmanager
def whole_folder(out: Path, *, patients: int, seed: int, recipe: str) -> Iterator[Path]:
    """The folder to write in, `.<name>.<seed>-<patients>.partial` beside `out`, which it becomes at the end.

    An exception leaves it there, and the same recipe finds what is in it; another recipe starts anew.

    Parameters
    ----------
    recipe
        Everything that what is kept depends on, as text.

    Raises
    ------
    CohortWriteError
        In place of an OSError, of the caller's too.
    FolderBusyError
        Another run of as many patients and this seed is writing the same folder.
    """
    work = out.with_name(f".{out.name}.{seed}-{patients}.partial")
    try:
        work.mkdir(parents=True, exist_ok=True)
        with alone_in(work):
            _open(work, recipe)
            yield work
            (work / RECIPE).unlink()
            replace_folder(work, out)
    except OSError as error:
        raise CohortWriteError(f"{out}: cohort not written {unwritten(error)}") from error


def _open(work: Path, recipe: str) -> None:
    marker = work / RECIPE
    if not marker.exists() or marker.read_text() != recipe:
        for path in work.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    marker.write_text(recipe)
