"""Does a DICOM file hold all the pixel data it announces? Found from its lengths, without reading pixels."""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

from pydicom.dataset import FileDataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

PIXEL_GROUP = 0x7FE0
ITEM, SEQUENCE_END = (0xFFFE, 0xE000), (0xFFFE, 0xE0DD)
UNDEFINED = 0xFFFFFFFF


def ends_early(file: BinaryIO, dataset: FileDataset) -> bool:
    """Whether the file breaks off before the end of its pixel data (or has none where an image needs it).

    `file` stands where `pydicom.dcmread(stop_before_pixels=True)` left it: at the pixel element.
    A deflated file cannot be judged without inflating it; zlib refuses a broken one when it is read.
    """
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax == DeflatedExplicitVRLittleEndian:
        return False
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    size = os.fstat(file.fileno()).st_size
    start = file.read(12)
    if len(start) < 12:
        return True
    group, _ = struct.unpack(order + "HH", start[:4])
    if group != PIXEL_GROUP:
        return False
    if syntax == ImplicitVRLittleEndian:
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
