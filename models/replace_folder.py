"""A finished folder takes the place of an old one, which is whole until then."""

from __future__ import annotations

import shutil
from pathlib import Path


def replace_folder(finished: Path, target: Path) -> None:
    """Rename `finished` to `target`; what stood there is renamed aside first and deleted last.

    Raises
    ------
    OSError
        The old folder cannot be moved, or the new one cannot take its place.
    """
    retired = target.with_name(f".{target.name}.retired")
    shutil.rmtree(retired, ignore_errors=True)
    if target.exists():
        target.rename(retired)
    finished.rename(target)
    shutil.rmtree(retired, ignore_errors=True)
