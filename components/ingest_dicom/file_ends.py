"""Does a DICOM file hold all the pixel data it announces? Found from its lengths, without reading pixels."""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_VR_BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
PIXEL_GROUP = 0x7FE0
ITEM, SEQUENCE_END = (0xFFFE, 0xE000), (0xFFFE, 0xE0DD)
UNDEFINED = 0xFFFFFFFF


def ends_early(file: BinaryIO, transfer_syntax_uid: str | None) -> bool:
    """Whether the file breaks off before the end of its pixel data (or has none where an image needs it).

    `file` stands where `pydicom.dcmread(stop_before_pixels=True)` left it: at the pixel element.
    A deflated file cannot be judged without inflating it; zlib refuses a broken one when it is read.
    """
    if transfer_syntax_uid == DEFLATED:
        return False
    order = ">" if transfer_syntax_uid == EXPLICIT_VR_BIG_ENDIAN else "<"
    size = os.fstat(file.fileno()).st_size
    start = file.read(12)
    if len(start) < 12:
        return True
    group, _ = struct.unpack(order + "HH", start[:4])
    if group != PIXEL_GROUP:
        return False
    if transfer_syntax_uid == IMPLICIT_VR_LITTLE_ENDIAN:
        length = struct.unpack("<L", start[4:8])[0]
        file.seek(-4, os.SEEK_CUR)
    else:
        length = struct.unpack(order + "L", start[8:12])[0]
    if length == UNDEFINED:
        return not _items_are_whole(file, size)
    return bool(file.tell() + length > size)


def _items_are_whole(file: BinaryIO, size: int) -> bool:
    """Walk the fragments of encapsulated pixel data to their delimiter (DICOM PS3.5 A.4)."""
    while len(head := file.read(8)) == 8:
        group, element, length = struct.unpack("<HHL", head)
        if (group, element) == SEQUENCE_END:
            return True
        if (group, element) != ITEM or file.tell() + length > size:
            return False
        file.seek(length, os.SEEK_CUR)
    return False
