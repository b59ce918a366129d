"""A scratch folder for one source: of its owner only, gone when the source is closed, however that ends."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from models.alone_in import FolderBusyError, alone_in
from models.errors import OsteoGateError
from models.write_failure import unwritten

PREFIX = "source-"
ABANDONED_AFTER_S = 60.0  # a folder is locked a moment after it is made


class ScratchError(OsteoGateError):
    """The scratch folder cannot be written."""


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A new folder under `parent`, removed at the end; so is what a killed process left there.

    Raises
    ------
    ScratchError
        When it cannot be made.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _remove_abandoned(parent)
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    except OSError as error:
        raise ScratchError(f"{parent}: no scratch folder {unwritten(error)}") from error
    try:
        with alone_in(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned(parent: Path) -> None:
    """Folders whose process is gone hold no lock any more."""
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(FolderBusyError, FileNotFoundError):
            if time.time() - folder.stat().st_mtime > ABANDONED_AFTER_S:
                with alone_in(folder):
                    shutil.rmtree(folder, ignore_errors=True)
