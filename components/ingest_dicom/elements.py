"""Single header values, read tolerantly: what is malformed is missing, never guessed, never an exception."""

from __future__ import annotations

import math
import struct
from functools import cache

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag

# What pydicom raises on values that contradict their VR (malformed numbers, lengths, character sets).
VALUE_ERRORS = (
    BytesLengthException,
    ValueError,
    TypeError,
    AttributeError,
    KeyError,
    NotImplementedError,
    OverflowError,
    LookupError,
    struct.error,
    BytesLengthException,  # a binary number of a length that is no number's
    RecursionError,  # sequences in sequences without end
)
# An LO has 64 characters, an LT 10,240; nothing that is read here needs more than this.
CHARACTERS_MAX = 1024
UNSIGNED_SHORT_MAX = 65535
NAN = math.nan
ESCAPE = b"\x1b"
TEXT_VRS = frozenset(("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "SH", "ST", "TM", "UI", "UT"))


def text(dataset: Dataset, keyword: str) -> str:
    """The value as one stripped line; several values joined with a backslash; "" when missing."""
    return "\\".join(texts(dataset, keyword)).strip()


def texts(dataset: Dataset, keyword: str, *, most: int | None = CHARACTERS_MAX) -> tuple[str, ...]:
    """The values as stripped text; () when missing; no more than `most` characters, nor values."""
    value: object | None = _plain(dataset, keyword)
    if value is None:
        value = _converted(dataset, keyword)
    if value is None or value == "":
        return ()
    if isinstance(value, bytes | Sequence):  # a VR that holds no text: what pydicom shows of it is no value
        return ()
    if isinstance(value, str):
        if "\\" not in value:
            return (" ".join(value[:most].replace("\0", " ").split()),)
        items: list[object] = list(value[:most].split("\\"))
    else:
        items = list(value[:most]) if isinstance(value, MultiValue | list | tuple) else [value]
    return tuple(" ".join(str(item)[:most].replace("\0", " ").split()) for item in items)


def number(dataset: Dataset, keyword: str) -> float:
    """The first value as a finite number; NaN when missing or malformed."""
    values = numbers(dataset, keyword)
    return values[0] if values else NAN


def numbers(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """The values as numbers, NaN where one is malformed; () when missing."""
    return tuple(_to_float(part) for part in texts(dataset, keyword, most=None))


def vector(dataset: Dataset, keyword: str, length: int) -> tuple[float, ...] | None:
    """Exactly `length` finite numbers, else None."""
    values = numbers(dataset, keyword)
    if len(values) != length or not all(math.isfinite(value) for value in values):
        return None
    return values


def integer(dataset: Dataset, keyword: str) -> int:
    """The value as an unsigned short (VR US), 0 when missing or malformed."""
    value = number(dataset, keyword)
    return int(value) if 0 <= value <= UNSIGNED_SHORT_MAX else 0


def _plain(dataset: Dataset, keyword: str) -> str | None:
    """The value as it stands in the file when it is ASCII text there; None otherwise.

    Why not through pydicom alone: DS and IS values that break the standard's 16 characters or carry stray
    blanks are common and still plain numbers, and reading a whole folder is three times as fast.
    """
    element = dataset.get_item(_tag(keyword))
    if not isinstance(element, RawDataElement) or not isinstance(element.value, bytes):
        return None
    if (element.VR or dictionary_VR(element.tag)) not in TEXT_VRS:
        return None
    if not element.value.isascii() or ESCAPE in element.value:  # ISO 2022 writes other alphabets in 7 bits
        return None
    return element.value.decode("ascii").strip(" \0")


def _converted(dataset: Dataset, keyword: str) -> object | None:
    """The value as pydicom converts it (character sets, binary numbers); None when missing or malformed."""
    tag = _tag(keyword)
    if tag not in dataset:
        return None
    try:
        return dataset[tag].value
    except VALUE_ERRORS:
        return None


@cache
def _tag(keyword: str) -> BaseTag:
    return Tag(keyword)


def _to_float(part: str) -> float:
    try:
        value = float(part)
    except ValueError:
        return NAN
    return value if math.isfinite(value) else NAN
