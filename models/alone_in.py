"""One run at a time in a folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.errors import OsteoGateError


class FolderBusyError(OsteoGateError):
    """Another run is working in the folder."""


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other runs out of an existing folder; the lock goes with the process, however that ends.

    Raises
    ------
    FolderBusyError
        Another run is in it.
    OSError
        The folder cannot be opened.
    """
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            renamed = not (folder.exists() and os.path.samestat(os.fstat(opened), folder.stat()))
        except BlockingIOError:
            renamed = True
        except OSError:  # a file system that locks no folder, NFS say: as it was without a lock
            renamed = False
        if renamed:  # held, or finished and renamed by another run a moment ago
            raise FolderBusyError(
                f"another run is working in {folder}; wait for it or name another folder"
            ) from None
        yield
    finally:
        os.close(opened)
