"""The header of an ordinary DICOM file without pydicom's cost per element: the wanted values only, as text.

Takes explicit and implicit VR little endian with ascending tags, whole sequences and ASCII text, which nearly every
CT image is. Whatever else a file holds, nothing is returned and pydicom reads it: speed is all that is added here.
(Compiled readers are faster still, and end the process on some damaged files.)
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import BinaryIO

from components.ingest_dicom.file_ends import IMPLICIT_VR_LITTLE_ENDIAN
from components.ingest_dicom.header_tags import HEADER_TAGS
from components.ingest_dicom.values import CHARACTERS_MAX, TEXT_VRS, Values, split_text

HEAD_BYTES = 16 << 10  # holds the header of most CT images
HEAD_BYTES_MAX = 1 << 20
DEPTH_MAX = 16
LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())  # DICOM PS3.5 table 7.1-1
SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
TEXT = frozenset(vr.encode("ascii") for vr in TEXT_VRS)
UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
META_LENGTH, CHARACTER_SET, PIXEL_DATA = 0x00020000, 0x00080005, 0x7FE00010
META = {0x00020002: "MediaStorageSOPClassUID", 0x00020003: "MediaStorageSOPInstanceUID",
        0x00020010: "TransferSyntaxUID"}  # fmt: skip
# pydicom warns of what it does not know of the character set; text that needs one is not read here
WANTED = {tag: keyword for keyword, (tag, _) in HEADER_TAGS.items()} | {CHARACTER_SET: "SpecificCharacterSet"}
VRS = {tag: vr.encode("ascii") for tag, vr in HEADER_TAGS.values()} | {CHARACTER_SET: b"CS"}
# explicit VR little endian, RLE, and all of the JPEG and MPEG families
SYNTAXES = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5")
SYNTAX_FAMILY = "1.2.840.10008.1.2.4."

_EXPLICIT = struct.Struct("<HH2sH").unpack_from
_IMPLICIT = struct.Struct("<HHL").unpack_from
_LONG = struct.Struct("<L").unpack_from
_SHORT = struct.Struct("<H").unpack_from
# of thousands of files, nearly all values are those of the file before
_split = lru_cache(4096)(split_text)


class QuickValues(Values):
    """Values by keyword, as they stand in the file."""

    __slots__ = ("_found",)

    def __init__(self, found: Mapping[str, str]) -> None:
        self._found = found

    def texts(self, keyword: str, *, most: int | None = CHARACTERS_MAX) -> tuple[str, ...]:
        """See `Values.texts`."""
        value = self._found.get(keyword)
        return _split(value, most) if value else ()

    def items(self, keyword: str) -> list[Values]:
        """None: a file that holds a wanted sequence is pydicom's."""
        return []


class _NotOrdinaryError(Exception):
    """A file for pydicom."""


class _HeadTooShortError(Exception):
    """The header goes on behind what was read of the file."""


def quick_values(file: BinaryIO) -> tuple[QuickValues, QuickValues] | None:
    """The wanted elements before the pixel data, and those of the file meta information; None for pydicom's files.

    `file` is left where its PixelData element begins, as `pydicom.dcmread(stop_before_pixels=True)` leaves it.
    """
    size, whole = HEAD_BYTES, os.fstat(file.fileno()).st_size
    while True:
        file.seek(0)
        try:
            found, meta, end = _parse(file.read(size))
        except (_HeadTooShortError, struct.error):
            if size >= min(whole, HEAD_BYTES_MAX):
                return None
            size *= 8
        except (_NotOrdinaryError, UnicodeDecodeError):
            return None
        else:
            file.seek(end)
            return QuickValues(found), QuickValues(meta)


def _parse(head: bytes) -> tuple[dict[str, str], dict[str, str], int]:
    if head[128:132] != b"DICM":
        raise _NotOrdinaryError
    meta: dict[str, str] = {}
    start = _explicit(head, 132, META, meta, after=0x0001FFFF, until=0x00030000)
    syntax = meta.get("TransferSyntaxUID", "").rstrip("\0 ")
    elements: dict[str, str] = {}
    if syntax == IMPLICIT_VR_LITTLE_ENDIAN:
        end = _implicit(head, start, elements)
    elif syntax in SYNTAXES or syntax.startswith(SYNTAX_FAMILY):
        end = _explicit(head, start, WANTED, elements, after=0x0002FFFF, until=PIXEL_DATA)
    else:
        raise _NotOrdinaryError
    if len(head) < end + 12:  # the whole of the pixel data's own tag, VR and length
        raise _HeadTooShortError
    if _IMPLICIT(head, end)[:2] != (0x7FE0, 0x0010):
        raise _NotOrdinaryError  # no pixel data: what that means is judged elsewhere
    return elements, meta, end


def _explicit(
    head: bytes, at: int, wanted: Mapping[int, str], found: dict[str, str], *, after: int, until: int
) -> int:
    """Collect wanted elements behind tag `after` and up to `until`; where that begins."""
    last = after
    while True:
        group, number, vr, length = _EXPLICIT(head, at)
        tag = group << 16 | number
        if tag >= until:
            return at
        if tag <= last:
            raise _NotOrdinaryError
        last = tag
        at += 8
        if vr not in SHORT_VRS:
            if vr not in LONG_VRS:
                raise _NotOrdinaryError
            (length,) = _LONG(head, at)
            at += 4
        if tag in wanted:
            if tag == CHARACTER_SET and vr != b"CS":
                raise _NotOrdinaryError  # pydicom looks into it before all else
            found[wanted[tag]] = _value(vr, head, at, length)
        elif tag == META_LENGTH and (vr, length) != (b"UL", 4):
            raise _NotOrdinaryError
        elif length == UNDEFINED:
            if vr != b"SQ":
                raise _NotOrdinaryError
            at = _behind_items(head, at, explicit=True, depth=0)
            continue
        at += length


def _implicit(head: bytes, at: int, found: dict[str, str]) -> int:
    last = -1
    while True:
        group, number, length = _IMPLICIT(head, at)
        tag = group << 16 | number
        if tag >= PIXEL_DATA:
            return at
        if tag <= last:
            raise _NotOrdinaryError
        last = tag
        at += 8
        if tag in WANTED:
            found[WANTED[tag]] = _value(VRS[tag], head, at, length)
        elif length == UNDEFINED:
            at = _behind_items(head, at, explicit=False, depth=0)
            continue
        at += length


def _value(vr: bytes, head: bytes, at: int, length: int) -> str:
    """Text as it stands in the file, a number as text; what else an element holds makes the file one for pydicom."""
    if len(head) < at + length:
        raise _NotOrdinaryError if length == UNDEFINED else _HeadTooShortError
    if vr in TEXT and length <= CHARACTERS_MAX:
        value = head[at : at + length].decode("ascii")
        if "\x1b" not in value:  # ISO 2022 writes other alphabets in 7 bits
            return value
    elif vr == b"US" and length == 2:
        return str(_SHORT(head, at)[0])
    raise _NotOrdinaryError


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
