"""The members of a tar or zip archive one after the other, and which of them are not to be taken out."""

from __future__ import annotations

import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, BinaryIO

from models.refusal import Code, Refusal

# Of one member, with its long names: tarfile keeps a header whole in memory, whatever length it declares.
HEADER_BYTES_MAX = 1 << 20
# tarfile asks for every block that a member declares, whether or not the file has any left
READS_BEHIND_END_MAX = 64
ENCRYPTED = 0x1  # bit of a zip member's flags (APPNOTE 4.4.4)


@dataclass(frozen=True)
class Member:
    """One member that is no folder.

    Attributes
    ----------
    name
        As in the archive, with slashes; of an unsafe member never used as a path.
    refusal
        Why it is left in the archive; None when it may be read.
    open
        The content as a stream; called only without a refusal.
    """

    name: PurePosixPath
    refusal: Refusal | None
    open: Callable[[], IO[bytes]]


class TarStream:
    """A tar stream that is counted as it is read, and that knows where its zeros at the end begin.

    Parameters
    ----------
    count
        Called with the number of bytes of each read.
    """

    def __init__(self, stream: BinaryIO, count: Callable[[int], None]) -> None:
        self._stream, self._count = stream, count
        self.length = self.content_end = 0
        self._header_end: int | None = None
        self._reads_behind_end = 0

    def expect_header(self, offset: int | None) -> None:
        """What begins at `offset` is a header, and no longer than one; None: members follow, of any length."""
        self._header_end = None if offset is None else offset + HEADER_BYTES_MAX

    def read(self, size: int) -> bytes:
        if self._header_end is not None and self.length > self._header_end:
            raise tarfile.ReadError(f"a header of more than {HEADER_BYTES_MAX} bytes")
        chunk = self._stream.read(size)
        self._count(len(chunk))
        self._reads_behind_end += not chunk
        if self._reads_behind_end > READS_BEHIND_END_MAX:
            raise tarfile.ReadError("a member is longer than the archive")
        if filled := len(chunk.rstrip(b"\0")):
            self.content_end = self.length + filled
        self.length += len(chunk)
        return chunk

    def ends_with_zeros_from(self, offset: int) -> bool:
        """Whether the rest is at least one block of zeros and nothing else; reads to the end."""
        while self.read(1 << 20):
            pass
        return self.content_end <= offset and self.length >= offset + tarfile.BLOCKSIZE


def tar_members(stream: TarStream) -> Iterator[Member]:
    """Members of an uncompressed tar stream, in its order; each must be read before the next is asked for.

    Raises
    ------
    tarfile.TarError
        Where the stream is no tar, breaks off, or goes on behind its end mark; tarfile alone takes a damaged
        header, and a file that breaks off between two members, for the end.
    """
    stream.expect_header(0)
    with tarfile.open(fileobj=stream, mode="r|") as tar:  # type: ignore[call-overload]
        while (info := _next(tar, stream)) is not None:
            tar.members = []  # a list of everything seen is kept otherwise
            if info.isdir():
                continue
            name = _name(info.name)
            refusal = _unsafe_name(name)
            if refusal is None and not info.isreg():
                refusal = Refusal(Code.PATH_UNSAFE, f"a member that is {_tar_kind(info)}")
            yield Member(name, refusal, lambda info=info: _content(tar, info))  # type: ignore[misc]
        if not stream.ends_with_zeros_from(tar.offset):
            raise tarfile.ReadError("no end mark where the last member ends")


def _next(tar: tarfile.TarFile, stream: TarStream) -> tarfile.TarInfo | None:
    stream.expect_header(tar.offset)
    info = tar.next()
    stream.expect_header(None)
    return info


def zip_members(file: zipfile.ZipFile) -> Iterator[Member]:
    """Members of an opened zip archive."""
    for info in file.infolist():
        name = _name(info.filename)
        if info.is_dir():
            continue
        yield Member(name, _zip_refusal(info, name), lambda info=info: file.open(info))  # type: ignore[misc]


def _zip_refusal(info: zipfile.ZipInfo, name: PurePosixPath) -> Refusal | None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        what = "a link" if kind == stat.S_IFLNK else "a device, a pipe or a socket"
        return Refusal(Code.PATH_UNSAFE, f"a member that is {what}")
    if info.flag_bits & ENCRYPTED:
        return Refusal(Code.ARCHIVE_ENCRYPTED, "a member that needs a password")
    return _unsafe_name(name)


def _name(name: str) -> PurePosixPath:
    return PurePosixPath(name.replace("\\", "/"))


def _unsafe_name(name: PurePosixPath) -> Refusal | None:
    if name.is_absolute() or (name.parts and name.parts[0].endswith(":")):
        return Refusal(Code.PATH_UNSAFE, "a member under an absolute name")
    if ".." in name.parts:
        return Refusal(Code.PATH_UNSAFE, "a member whose name leaves the archive (..)")
    return None


def _tar_kind(info: tarfile.TarInfo) -> str:
    if info.issym() or info.islnk():
        return "a link"
    return "a device or a pipe" if info.isdev() else "neither a file nor a folder"


def _content(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(info)
    if content is None:
        raise tarfile.ReadError("a member without content")
    return content
