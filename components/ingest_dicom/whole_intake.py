"""Writing an intake as a whole: its tables are of one ingest, or the intake has no manifest and is none."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.errors import OsteoGateError
from models.write_failure import unwritten

MANIFEST = "manifest.json"


class IntakeWriteError(OsteoGateError):
    """The tables of an ingest could not be written; an earlier intake stays as it was."""


def make_intake_folder(out: Path) -> None:
    """Make the folder of the tables; IntakeWriteError when it cannot be."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise IntakeWriteError(f"{out}: intake not written {unwritten(error)}") from error


@contextmanager
def whole_intake(out: Path, identity: Path) -> Iterator[tuple[Path, Path]]:
    """Folders to write the tables and the places into; their files then take the place of `out`'s and `identity`'s.

    The old manifest goes before the first file is renamed in, the new one comes last: after a kill in between
    the next step finds no manifest and asks for another ingest, and another ingest writes everything again.

    Raises
    ------
    IntakeWriteError
        Disk full and the like.
    """
    tables, places = out / ".writing", identity / ".writing-places"
    try:
        for folder in (tables, places):
            shutil.rmtree(folder, ignore_errors=True)  # of an ingest that was killed
            folder.mkdir(parents=True)
        yield tables, places
        (out / MANIFEST).unlink(missing_ok=True)
        for folder, target in ((places, identity), (tables, out)):
            for path in sorted(folder.iterdir(), key=lambda path: path.name == MANIFEST):
                path.replace(target / path.name)
    except OSError as error:
        raise IntakeWriteError(f"{out}: intake not written {unwritten(error)}") from error
    finally:
        for folder in (tables, places):
            shutil.rmtree(folder, ignore_errors=True)
