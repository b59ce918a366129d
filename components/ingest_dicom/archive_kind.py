"""What kind of archive a file is, from its content: names and extensions mean nothing."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, cast


class ArchiveKind(StrEnum):
    """Kinds that are told apart; of these only zip and tar are opened."""

    ZIP = "zip"
    TAR = "tar"
    TAR_GZ = "tar.gz"
    TAR_BZ2 = "tar.bz2"
    TAR_XZ = "tar.xz"
    OTHER = "7z, rar or zstd"


OPENED = frozenset(ArchiveKind) - {ArchiveKind.OTHER}
# what a damaged compressed stream raises in the standard library's readers
STREAM_ERRORS = (EOFError, OSError, zlib.error, lzma.LZMAError, ValueError)

_SIGNATURES = {
    b"PK\x03\x04": ArchiveKind.ZIP,
    b"PK\x05\x06": ArchiveKind.ZIP,  # without a member
    b"PK\x07\x08": ArchiveKind.ZIP,  # one of several volumes
    b"\x1f\x8b": ArchiveKind.TAR_GZ,
    b"BZh": ArchiveKind.TAR_BZ2,
    b"\xfd7zXZ\0": ArchiveKind.TAR_XZ,
    b"7z\xbc\xaf\x27\x1c": ArchiveKind.OTHER,
    b"Rar!\x1a\x07": ArchiveKind.OTHER,
    b"\x28\xb5\x2f\xfd": ArchiveKind.OTHER,
}
_TAR_MAGIC_AT = 257  # "ustar", POSIX.1-1988 and GNU alike


def archive_kind(path: Path) -> ArchiveKind | None:
    """The kind of the archive at `path`; None for everything else, a lone compressed file (.nii.gz) included.

    Raises
    ------
    OSError
        When the file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(512)
        if head[128:132] == b"DICM":  # an image that carries an archive's signature as well is an image
            return None
        if _is_tar(head):
            return ArchiveKind.TAR
        kind = next((kind for start, kind in _SIGNATURES.items() if head.startswith(start)), None)
        if kind in (None, ArchiveKind.ZIP, ArchiveKind.OTHER):
            return kind
        file.seek(0)
        try:
            inside = decompressed(file, kind).read(512)
        except STREAM_ERRORS:
            return None
    return kind if _is_tar(inside) else None


def decompressed(file: BinaryIO, kind: ArchiveKind) -> BinaryIO:
    """The tar stream inside a compressed file; an uncompressed one is given back as it is."""
    if kind is ArchiveKind.TAR_GZ:
        return cast(BinaryIO, gzip.GzipFile(fileobj=file))
    if kind is ArchiveKind.TAR_BZ2:
        return cast(BinaryIO, bz2.BZ2File(file))
    if kind is ArchiveKind.TAR_XZ:
        return cast(BinaryIO, lzma.LZMAFile(file))
    return file


def _is_tar(head: bytes) -> bool:
    return head[_TAR_MAGIC_AT : _TAR_MAGIC_AT + 5] == b"ustar"
