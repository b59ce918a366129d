"""What becomes of each file of a source: copied as DICOM, as a table, as a label map, or left with a code."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from components.ingest_dicom.deidentify.level_names import level_suffix
from models.refusal import Code, refuse

LEVELS, SERIES, DXA, CARD = "levels", "series", "dxa.csv", "cohort.json"


class Kind(StrEnum):
    """How a file is copied."""

    DICOM = "dicom"
    CENTRES = "centres"  # levels/<id>.csv
    LABEL_MAP = "label map"  # levels/<id>.nii.gz
    DXA = "dxa"
    CARD = "card"
    LEFT = "left"  # of a cohort, but not of its layout


@dataclass(frozen=True)
class SourceFile:
    """One file to copy.

    Attributes
    ----------
    name
        Path below the source folder, as text; it may hold a name and is written nowhere.
    stamp
        Size in bytes and time of change in ns: a changed file is copied again.
    of_levels
        Whether it lies in levels/ of a cohort, where its name says whose it is.
    """

    path: Path
    name: str
    kind: Kind
    stamp: tuple[int, int]
    of_levels: bool = False


def plan(source: Path) -> list[SourceFile]:
    """Every file under `source` (or the file itself) in path order; a cohort folder by its layout.

    Raises
    ------
    RefusedError
        EMPTY_INPUT when there is nothing, FILE_UNREADABLE when a folder cannot be entered.
    """
    if not source.exists():
        raise refuse(Code.EMPTY_INPUT, "no such file or folder")
    root = source if source.is_dir() else source.parent
    cohort = (source / CARD).is_file()
    files = [
        SourceFile(
            path,
            name,
            _kind(name) if cohort else Kind.DICOM,
            _stamp(path),
            of_levels=cohort and name.startswith(f"{LEVELS}/"),
        )
        for path in ([source] if source.is_file() else sorted(_walk(source)))
        for name in [path.relative_to(root).as_posix()]
    ]
    if not files:
        raise refuse(Code.EMPTY_INPUT, "no file in the folder")
    return files


def _kind(name: str) -> Kind:
    """What a file of a cohort folder is, by the layout of docs/own-cohort.md."""
    top, _, below = name.partition("/")
    if name in (DXA, CARD):
        return Kind.DXA if name == DXA else Kind.CARD
    if top == SERIES and below:
        return Kind.DICOM
    if top != LEVELS or not below or "/" in below:
        return Kind.LEFT
    return level_kind(below)


def level_kind(name: str) -> Kind:
    """What a file of levels/ is, by its suffix."""
    suffix = level_suffix(name)
    if not suffix:
        return Kind.LEFT
    return {".csv": Kind.CENTRES, ".dcm": Kind.DICOM}.get(suffix, Kind.LABEL_MAP)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:  # a broken link: refused when it is read
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _walk(folder: Path) -> Iterator[Path]:
    """Files under a folder; each real folder once, so that loops of symbolic links end."""

    def on_error(error: OSError) -> None:
        raise refuse(
            Code.FILE_UNREADABLE, f"a folder of the source cannot be entered ({error.strerror})"
        ) from error

    seen: set[tuple[int, int]] = set()
    for parent, folders, names in os.walk(folder, onerror=on_error, followlinks=True):
        status = Path(parent).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders.sort()
        yield from (Path(parent, name) for name in names)
