"""What a DICOMDIR lists, and which of it is not there (DICOM PS3.3 F, PS3.10 8)."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pydicom
from pydicom.errors import InvalidDicomError

from components.ingest_dicom.elements import VALUE_ERRORS, texts
from components.ingest_dicom.guarded_file import SizeImplausibleError, open_guarded
from components.ingest_dicom.headers import STREAM_ERRORS, OtherFile
from models.refusal import Code

MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"
# what a DICOMDIR that is none, or that is damaged, makes pydicom raise
BROKEN = (
    InvalidDicomError, EOFError, OSError, MemoryError, SizeImplausibleError, *STREAM_ERRORS, *VALUE_ERRORS
)  # fmt: skip
KIND = "Media Storage Directory Storage"  # what `read_header` calls it


@dataclass(frozen=True)
class Listed:
    """A file that a DICOMDIR names: the components of its ReferencedFileID."""

    parts: tuple[str, ...]

    @property
    def unsafe(self) -> bool:
        """Whether it would lead out of the folder of the DICOMDIR."""
        return any(part in ("", ".", "..") or "/" in part or "\0" in part for part in self.parts)


def is_dicomdir(path: Path) -> bool:
    """Whether the file says that it is a DICOMDIR; names mean nothing."""
    try:
        with open_guarded(path) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            meta = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=[]).file_meta
        return str(meta.get("MediaStorageSOPClassUID", "")) == MEDIA_DIRECTORY
    except BROKEN:
        return False


def listed_files(dicomdir: Path) -> list[Listed]:
    """The files that the records of a DICOMDIR refer to, each once, in its order.

    Raises
    ------
    ValueError
        When the records cannot be read.
    """
    try:
        with open_guarded(dicomdir) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            records = pydicom.dcmread(file).get("DirectoryRecordSequence") or []
            named = [texts(record, "ReferencedFileID") for record in records]
    except BROKEN as error:
        raise ValueError(type(error).__name__) from error
    return [Listed(parts) for parts in dict.fromkeys(named) if parts]


def missing_files(dicomdir: Path, name: PurePosixPath, present: Collection[str]) -> Iterator[OtherFile]:
    """What the DICOMDIR lists and the source has not, coded.

    Parameters
    ----------
    name
        Of the DICOMDIR, relative to the source.
    present
        `spelled` names of all files of the source, relative to it.

    Yields
    ------
    One item per listed file that is missing (DICOMDIR_FILE_MISSING) or would lie outside (PATH_UNSAFE); its path
    is a place beside the DICOMDIR where nothing lies.
    """
    try:
        listed = listed_files(dicomdir)
    except ValueError as error:
        place = dicomdir.with_name(f"{dicomdir.name} (records)")
        yield OtherFile(place, Code.FILE_TRUNCATED, "DICOMDIR", f"its records cannot be read ({error})")
        return
    for number, item in enumerate(listed, start=1):
        place = dicomdir.with_name(f"{dicomdir.name} (listed {number})")
        if item.unsafe:
            found = "a listed file whose name leaves the folder of the DICOMDIR"
            yield OtherFile(place, Code.PATH_UNSAFE, "listed file", found)
        elif spelled(name.parent.joinpath(*item.parts)) not in present:
            yield OtherFile(
                place, Code.DICOMDIR_FILE_MISSING, "listed file", "listed by the DICOMDIR, and not there"
            )


def spelled(name: PurePosixPath) -> str:
    """A name as compared: copying from an ISO 9660 medium changes case and may leave version and dot."""
    return name.as_posix().casefold().removesuffix(";1").rstrip(".")
