"""Opening a DICOM file whose content is not trusted: what it unpacks to is measured before it is unpacked."""

from __future__ import annotations

import io
import os
import zlib
from pathlib import Path

# A CT matrix has 256 to 2048 rows; four times the largest.
FRAME_PIXELS_MAX = 4096 * 4096
# Hundreds of slices in one deflated multi-frame object; far below what a process may take.
INFLATED_BYTES_MAX = 256 * 1024**2
# HU of one multi-frame object: 1,600 frames of 512 x 512. A blank compressed frame is some hundred bytes.
OBJECT_BYTES_MAX = 800 * 1024**2
_CHUNK = 1024**2


class SizeImplausibleError(Exception):
    """A file unpacks to more than any CT image holds; its reader answers with SIZE_IMPLAUSIBLE."""


class GuardedFile(io.BufferedReader):
    """A file for `pydicom.dcmread`, which reads to the end in one call only to inflate what it gets.

    (The deflated transfer syntax, DICOM PS3.5 A.5: everything behind the file meta information is one zlib
    stream without a header.) A stream of zeros shrinks a thousandfold, so its length says nothing.
    """

    def __init__(self, raw: io.FileIO) -> None:
        super().__init__(raw)
        self._size = os.fstat(raw.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """Bytes of the file; no room is made for more than it has, whatever length an element claims.

        Raises
        ------
        SizeImplausibleError
            When the rest of the file is asked for and inflates to more than `INFLATED_BYTES_MAX`.
        """
        if size is not None and size >= 0:
            return super().read(min(size, self._size))
        content = super().read()
        _measure(content)
        return content


def open_guarded(path: Path) -> GuardedFile:
    """The file, to be closed by the caller; raises OSError like `open`."""
    return GuardedFile(path.open("rb", buffering=0))


def _measure(deflated: bytes) -> None:
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    total, pending = 0, deflated
    while pending and not inflate.eof:
        total += len(inflate.decompress(pending, _CHUNK))
        pending = inflate.unconsumed_tail
        if total > INFLATED_BYTES_MAX:
            raise SizeImplausibleError(
                f"a deflated file inflates to more than {INFLATED_BYTES_MAX // 1024**2} MB"
            )
