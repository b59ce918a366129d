"""Unpacking an archive into a scratch folder: under neutral names, within limits, every member counted."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from components.ingest_dicom.archive_kind import STREAM_ERRORS, ArchiveKind, decompressed
from components.ingest_dicom.archive_members import Member, TarStream, tar_members, zip_members
from components.ingest_dicom.headers import OtherFile
from components.ingest_dicom.scratch import ScratchError
from components.ingest_dicom.source_params import ArchiveLimits
from models.refusal import Code, refuse
from models.write_failure import unwritten

CHUNK = 1 << 20
DIRECTORY_BYTES = 180  # of one member in a zip's directory: 46 and its name and extra fields (APPNOTE 4.3.12)
# no archive is refused for its ratio before this much came out of it: a folder of blank slices packs 500 to 1
RATIO_FROM_BYTES = 64 << 20
# what zipfile raises on a member that it cannot give (a method it does not know, a broken check sum)
MEMBER_ERRORS = (zipfile.BadZipFile, NotImplementedError, RuntimeError, *STREAM_ERRORS)

# progress(read, total) in bytes of the archive
Progress = Callable[[int, int], None]


class _BrokenMemberError(Exception):
    """One member of a zip cannot be read to its end."""


class _Archive(io.BufferedReader):
    """An archive's file; of a zip, the directory of all members is read at once and made objects of, each of 1 kB."""

    def __init__(self, raw: io.FileIO, members_max: int) -> None:
        super().__init__(raw)
        self._most = max(CHUNK, members_max * DIRECTORY_BYTES)

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > self._most:
            raise refuse(
                Code.ARCHIVE_TOO_LARGE,
                f"a directory of {size} bytes, at most {self._most} are read (ingest.archive.members_max)",
            )
        return super().read(size)


@dataclass
class _Meter:
    """Counts what comes out of an archive of `size` bytes, as it comes out."""

    limits: ArchiveLimits
    size: int
    members_bytes: int = 0
    stream_bytes: int = 0

    def add(self, count: int) -> None:
        """Bytes of members: those of a sparse one are in no stream."""
        self.members_bytes += count
        self._check(self.members_bytes)

    def add_stream(self, count: int) -> None:
        """Bytes of a tar stream, headers included."""
        self.stream_bytes += count
        self._check(self.stream_bytes)

    def count(self, members: int) -> None:
        if members > self.limits.members_max:
            raise refuse(
                Code.ARCHIVE_TOO_LARGE,
                f"more than {self.limits.members_max} members (ingest.archive.members_max)",
            )

    def _check(self, unpacked: int) -> None:
        if unpacked > self.limits.unpacked_gb_max * 1e9:
            raise refuse(
                Code.ARCHIVE_TOO_LARGE,
                f"more than {self.limits.unpacked_gb_max:g} GB unpacked (ingest.archive.unpacked_gb_max)",
            )
        if unpacked > max(RATIO_FROM_BYTES, self.limits.ratio_max * self.size):
            raise refuse(
                Code.ARCHIVE_TOO_LARGE,
                f"{self.size} bytes that unpack to more than {self.limits.ratio_max:g} times as many "
                "(ingest.archive.ratio_max)",
            )


@dataclass
class Unpacked:
    """What came out of an archive.

    Attributes
    ----------
    names
        Of each file under the scratch folder: its name in the archive.
    refused
        Members that were left in the archive; their paths are places under the folder where nothing lies.
    """

    names: dict[Path, PurePosixPath] = field(default_factory=dict)
    refused: list[OtherFile] = field(default_factory=list)


def unpack(
    archive: Path,
    kind: ArchiveKind,
    folder: Path,
    limits: ArchiveLimits,
    *,
    progress: Progress | None = None,
) -> Unpacked:
    """Take every plain file of `archive` out into `folder`, named by number: no name of a member is a path here.

    Members of one folder of the archive stay together in one folder.

    Raises
    ------
    RefusedError
        ARCHIVE_TOO_LARGE past a limit (bytes as they come out, whatever is declared), ARCHIVE_DAMAGED when it
        is no archive of its kind or breaks off: an archive cut short would pass for a shorter scan.
    ScratchError
        When `folder` cannot be written.
    """
    size = archive.stat().st_size
    meter = _Meter(limits, size)
    # members of a zip stand alone; a tar that breaks in one of them has lost all that follow
    broken = MEMBER_ERRORS if kind is ArchiveKind.ZIP else ()
    done = Unpacked()
    folders: dict[PurePosixPath, Path] = {}
    try:
        with _members(archive, kind, meter, progress, size) as members:
            for number, member in enumerate(members, start=1):
                meter.count(number)
                place = folders.setdefault(member.name.parent, folder / f"{len(folders):04d}")
                path = place / f"{number:06d}"
                done.names[path] = member.name
                if member.refusal is not None:
                    done.refused.append(_left(path, member.refusal.code, member.refusal.found))
                elif trouble := _write(member, path, meter, broken):
                    done.refused.append(_left(path, Code.ARCHIVE_DAMAGED, trouble))
    except (tarfile.TarError, *MEMBER_ERRORS) as error:
        raise refuse(
            Code.ARCHIVE_DAMAGED,
            f"{archive}: no whole {kind} archive ({type(error).__name__}), after {len(done.names)} members",
        ) from error
    return done


@contextmanager
def _members(
    archive: Path, kind: ArchiveKind, meter: _Meter, progress: Progress | None, size: int
) -> Iterator[Iterator[Member]]:
    with _Archive(archive.open("rb", buffering=0), meter.limits.members_max) as file:
        if kind is ArchiveKind.ZIP:
            with zipfile.ZipFile(file) as opened:
                meter.count(len(opened.infolist()))
                yield _reporting(zip_members(opened), file, size, progress)
        else:
            stream = TarStream(decompressed(file, kind), meter.add_stream)
            yield _reporting(tar_members(stream), file, size, progress)


def _reporting(
    members: Iterator[Member], file: BinaryIO, size: int, progress: Progress | None
) -> Iterator[Member]:
    for member in members:
        if progress is not None:
            progress(min(file.tell(), size), size)
        yield member
    if progress is not None:
        progress(size, size)


def _write(member: Member, path: Path, meter: _Meter, broken: tuple[type[Exception], ...]) -> str:
    """Write one member; what is wrong with it, "" for nothing. A broken member leaves no file."""
    try:
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as out:
            for chunk in _chunks(member, broken):
                meter.add(len(chunk))
                out.write(chunk)
    except _BrokenMemberError as error:
        path.unlink()
        return str(error)
    except OSError as error:
        raise ScratchError(f"{path.parent}: not unpacked {unwritten(error)}") from error
    return ""


def _chunks(member: Member, broken: tuple[type[Exception], ...]) -> Iterator[bytes]:
    try:
        with member.open() as content:
            while chunk := content.read(CHUNK):
                yield chunk
    except broken as error:
        raise _BrokenMemberError(f"a member that does not unpack ({type(error).__name__})") from error
    except OSError as error:  # a broken check sum of gzip and bzip2; not the scratch folder's
        raise tarfile.ReadError(str(error)) from error


def _left(path: Path, code: Code, found: str) -> OtherFile:
    return OtherFile(path, code, "archive member", found)
