"""The values of pydicom's data sets, as tolerantly read as `values` says."""

from __future__ import annotations

import struct
from functools import cache

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag

from components.ingest_dicom.values import CHARACTERS_MAX, TEXT_VRS, Values, one_line, split_text

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
ESCAPE = b"\x1b"


class DataSetValues(Values):
    """The values of a data set of pydicom's."""

    __slots__ = ("_dataset",)

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset

    def texts(self, keyword: str, *, most: int | None = CHARACTERS_MAX) -> tuple[str, ...]:
        """See `Values.texts`."""
        plain = _plain(self._dataset, keyword)
        if plain is not None:
            return split_text(plain, most)
        value = _converted(self._dataset, keyword)
        if value is None or value == "":
            return ()
        if isinstance(
            value, bytes | Sequence
        ):  # a VR that holds no text: what pydicom shows of it is no value
            return ()
        if isinstance(value, str):
            parts: list[object] = list(value[:most].split("\\")) if "\\" in value else [value]
        else:
            parts = list(value[:most]) if isinstance(value, MultiValue | list | tuple) else [value]
        return tuple(one_line(str(item)[:most]) for item in parts)

    def items(self, keyword: str) -> list[Values]:
        """See `Values.items`."""
        return [DataSetValues(item) for item in items(self._dataset, keyword)]


def text(dataset: Dataset, keyword: str) -> str:
    """See `Values.text`."""
    return DataSetValues(dataset).text(keyword)


def texts(dataset: Dataset, keyword: str, *, most: int | None = CHARACTERS_MAX) -> tuple[str, ...]:
    """See `Values.texts`."""
    return DataSetValues(dataset).texts(keyword, most=most)


def number(dataset: Dataset, keyword: str) -> float:
    """See `Values.number`."""
    return DataSetValues(dataset).number(keyword)


def numbers(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """See `Values.numbers`."""
    return DataSetValues(dataset).numbers(keyword)


def items(dataset: Dataset, keyword: str | BaseTag) -> list[Dataset]:
    """Items of a sequence; [] when it is missing, malformed or no sequence."""
    value = _converted(dataset, keyword)
    return list(value) if isinstance(value, Sequence) else []


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
    return element.value.decode("ascii")


def _converted(dataset: Dataset, keyword: str | BaseTag) -> object | None:
    """The value as pydicom converts it (character sets, binary numbers); None when missing or malformed."""
    tag = _tag(keyword)
    if tag not in dataset:
        return None
    try:
        return dataset[tag].value
    except VALUE_ERRORS:
        return None


@cache
def _tag(keyword: str | BaseTag) -> BaseTag:
    return Tag(keyword)
