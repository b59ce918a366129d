"""The size that a compressed frame itself announces, read before a decoder makes room for it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames

JPEG2000_START = b"\xff\x4f\xff\x51"  # SOC, SIZ (ISO/IEC 15444-1 A.4.1, A.5.1)
JPEG_START = b"\xff\xd8"
# SOF0..SOF15 and SOF55 (JPEG-LS), without DHT, JPG and DAC (ISO/IEC 10918-1 table B.1; 14495-1 C.1.1)
FRAME_MARKERS = frozenset((*range(0xC0, 0xD0), 0xF7)) - {0xC4, 0xC8, 0xCC}
ALONE_MARKERS = frozenset((0x01, *range(0xD0, 0xDA)))


class StreamSize(NamedTuple):
    """Rows, columns and components of one compressed frame."""

    rows: int
    columns: int
    components: int


def frame_sizes(dataset: Dataset) -> Iterator[StreamSize | None]:
    """What each frame of encapsulated pixel data announces; None where the stream names no size (RLE).

    Raises
    ------
    ValueError, struct.error, RuntimeError
        As `pydicom.encaps` does for fragments that cannot be walked.
    """
    frames = int(dataset.get("NumberOfFrames") or 1)
    return map(stream_size, generate_frames(dataset.PixelData, number_of_frames=frames))


def stream_size(frame: bytes) -> StreamSize | None:
    """Size in the header of a JPEG 2000, JPEG or JPEG-LS stream; None when there is no such header."""
    if (start := frame[:4096].find(JPEG2000_START)) >= 0:  # a JP2 box may come before it
        fields = frame[start + 8 : start + 42]
        if len(fields) < 34:
            return None
        right, bottom, left, top = struct.unpack(">4L", fields[:16])
        return StreamSize(bottom - top, right - left, struct.unpack(">H", fields[32:34])[0])
    if frame[:2] == JPEG_START:
        return _jpeg_size(frame)
    return None


def _jpeg_size(frame: bytes) -> StreamSize | None:
    at = 2
    while at + 4 <= len(frame):
        if frame[at] != 0xFF:
            return None
        marker = frame[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in FRAME_MARKERS:
            segment = frame[at + 5 : at + 10]
            return StreamSize(*struct.unpack(">HHB", segment)) if len(segment) == 5 else None
        elif marker in ALONE_MARKERS:
            at += 2
        else:
            at += 2 + struct.unpack(">H", frame[at + 2 : at + 4])[0]
    return None
