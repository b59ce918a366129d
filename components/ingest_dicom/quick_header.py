"""The header of an ordinary DICOM file without pydicom's cost per element: the wanted values only, as raw bytes.

Takes explicit and implicit VR little endian with ascending tags, whole sequences and ASCII text, which nearly every
CT image is. Whatever else a file holds, nothing is returned and pydicom reads it: speed is all that is added here.
(Compiled readers are faster still, and end the process on some damaged files.)
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from typing import BinaryIO

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import AllTransferSyntaxes, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian

from components.ingest_dicom.elements import TEXT_VRS

HEAD_BYTES = 16 << 10  # holds the header of most CT images
HEAD_BYTES_MAX = 1 << 20
DEPTH_MAX = 16
LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())  # DICOM PS3.5 table 7.1-1
SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
META = {int(tag): tag for tag in (Tag(2, 0), Tag(2, 2), Tag(2, 3), Tag(2, 0x10))}
META_LENGTH = Tag(2, 0)
TRANSFER_SYNTAX = Tag(2, 0x10)
PIXEL_DATA = 0x7FE00010
IMPLICIT = "1.2.840.10008.1.2"
SYNTAXES = frozenset(AllTransferSyntaxes) - {DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian}

_EXPLICIT = struct.Struct("<HH2sH").unpack_from
_IMPLICIT = struct.Struct("<HHL").unpack_from
_LONG = struct.Struct("<L").unpack_from
_Elements = dict[BaseTag, RawDataElement]


class _NotOrdinaryError(Exception):
    """A file for pydicom."""


class _HeadTooShortError(Exception):
    """The header goes on behind what was read of the file."""


def quick_data_set(file: BinaryIO, wanted: Mapping[int, BaseTag]) -> FileDataset | None:
    """The wanted elements before the pixel data, raw as pydicom has them; None for a file that pydicom shall read.

    `file` is left where its PixelData element begins, as `pydicom.dcmread(stop_before_pixels=True)` leaves it.
    """
    size, whole = HEAD_BYTES, os.fstat(file.fileno()).st_size
    while True:
        file.seek(0)
        try:
            dataset, end = _parse(file.read(size), wanted)
        except (_HeadTooShortError, struct.error):
            if size >= min(whole, HEAD_BYTES_MAX):
                return None
            size *= 8
        except (_NotOrdinaryError, UnicodeDecodeError):
            return None
        else:
            file.seek(end)
            return dataset


def _parse(head: bytes, wanted: Mapping[int, BaseTag]) -> tuple[FileDataset, int]:
    if head[128:132] != b"DICM":
        raise _NotOrdinaryError
    meta: _Elements = {}
    start = _explicit(head, 132, META, meta, until=0x00030000)
    length, syntax = meta.pop(META_LENGTH, None), meta.get(TRANSFER_SYNTAX)
    if length is not None and (length.VR, length.length) != ("UL", 4):
        raise _NotOrdinaryError
    name = syntax.value.rstrip(b"\0 ").decode("ascii") if syntax and syntax.value else ""
    if name not in SYNTAXES:
        raise _NotOrdinaryError
    elements: _Elements = {}
    read = _implicit if name == IMPLICIT else _explicit
    end = read(head, start, wanted, elements, until=PIXEL_DATA)
    if len(head) < end + 12:  # the whole of the pixel data's own tag, VR and length
        raise _HeadTooShortError
    if _IMPLICIT(head, end)[:2] != (0x7FE0, 0x0010):
        raise _NotOrdinaryError  # no pixel data: what that means is judged elsewhere
    dataset = FileDataset("", elements, file_meta=FileMetaDataset(meta))
    return dataset, end


def _explicit(head: bytes, at: int, wanted: Mapping[int, BaseTag], found: _Elements, *, until: int) -> int:
    """Collect wanted elements up to tag `until`; where that begins."""
    last = -1
    while True:
        group, number, vr, length = _EXPLICIT(head, at)
        tag = group << 16 | number
        if tag >= until:
            return at
        if tag <= last:
            raise _NotOrdinaryError
        last = tag
        if vr in SHORT_VRS:
            value = at + 8
        elif vr in LONG_VRS:
            (length,) = _LONG(head, at + 8)
            value = at + 12
        else:
            raise _NotOrdinaryError
        if tag in wanted:
            found[wanted[tag]] = _raw(wanted[tag], vr.decode("ascii"), head, value, length, implicit=False)
            at = value + length
        elif length == UNDEFINED:
            if vr != b"SQ":
                raise _NotOrdinaryError
            at = _behind_items(head, value, explicit=True, depth=0)
        else:
            at = value + length


def _implicit(head: bytes, at: int, wanted: Mapping[int, BaseTag], found: _Elements, *, until: int) -> int:
    last = -1
    while True:
        group, number, length = _IMPLICIT(head, at)
        tag = group << 16 | number
        if tag >= until:
            return at
        if tag <= last:
            raise _NotOrdinaryError
        last = tag
        value = at + 8
        if tag in wanted:
            found[wanted[tag]] = _raw(wanted[tag], None, head, value, length, implicit=True)
            at = value + length
        elif length == UNDEFINED:
            at = _behind_items(head, value, explicit=False, depth=0)
        else:
            at = value + length


def _raw(
    tag: BaseTag, vr: str | None, head: bytes, at: int, length: int, *, implicit: bool
) -> RawDataElement:
    """One wanted element; a sequence, or text that needs a character set, makes the file one for pydicom."""
    value = head[at : at + length]
    if length == UNDEFINED or (vr or dictionary_VR(tag)) == "SQ":
        raise _NotOrdinaryError
    if len(value) < length:
        raise _HeadTooShortError
    if not value.isascii() and (vr or dictionary_VR(tag)) in TEXT_VRS | {"PN", "UN"}:
        raise _NotOrdinaryError
    return RawDataElement(tag, vr, length, value, at, implicit, True)


def _behind_items(head: bytes, at: int, *, explicit: bool, depth: int) -> int:
    """Where a sequence of undefined length ends (DICOM PS3.5 7.5)."""
    if depth > DEPTH_MAX:
        raise _NotOrdinaryError
    while True:
        group, number, length = _IMPLICIT(head, at)
        tag = group << 16 | number
        at += 8
        if tag == SEQUENCE_END:
            return at
        if tag != ITEM:
            raise _NotOrdinaryError
        at = at + length if length != UNDEFINED else _behind_item(head, at, explicit=explicit, depth=depth)


def _behind_item(head: bytes, at: int, *, explicit: bool, depth: int) -> int:
    while True:
        group, number, length = _IMPLICIT(head, at)
        if group << 16 | number == ITEM_END:
            return at + 8
        value = at + 8
        if explicit:
            _, _, vr, length = _EXPLICIT(head, at)
            if vr in LONG_VRS:
                (length,) = _LONG(head, at + 8)
                value = at + 12
                if length == UNDEFINED and vr != b"SQ":
                    raise _NotOrdinaryError
            elif vr not in SHORT_VRS:
                raise _NotOrdinaryError
        if length == UNDEFINED:
            at = _behind_items(head, value, explicit=explicit, depth=depth + 1)
        else:
            at = value + length
