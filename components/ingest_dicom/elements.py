"""Single header values, read tolerantly: what is malformed is missing, never guessed, never an exception."""

from __future__ import annotations

import math
import struct

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

# What pydicom raises on values that contradict their VR (malformed numbers, lengths, character sets).
VALUE_ERRORS = (
    ValueError,
    TypeError,
    AttributeError,
    KeyError,
    NotImplementedError,
    OverflowError,
    LookupError,
    struct.error,
)
NAN = math.nan


def text(dataset: Dataset, keyword: str) -> str:
    """The value as one stripped line; several values joined with a backslash; "" when missing."""
    return "\\".join(texts(dataset, keyword)).strip()


def texts(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """The values as stripped text; () when missing."""
    value = _value(dataset, keyword)
    if value is None:
        return ()
    values = value if isinstance(value, MultiValue | list | tuple) else [value]
    return tuple(" ".join(str(item).replace("\0", " ").split()) for item in values)


def number(dataset: Dataset, keyword: str) -> float:
    """The first value as a finite number; NaN when missing or malformed."""
    values = numbers(dataset, keyword)
    return values[0] if values else NAN


def numbers(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """The values as numbers, NaN where one is malformed; () when missing.

    Read from the raw bytes where pydicom has not converted them yet, because DS and IS values that break
    the standard's 16 characters or carry stray blanks are common and still plain numbers.
    """
    raw = _raw_text(dataset, keyword)
    value: object | None = raw if raw is not None else _value(dataset, keyword)
    if value is None:
        return ()
    if isinstance(value, str):
        parts: list[object] = list(value.split("\\")) if value else []
    else:
        parts = list(value) if isinstance(value, MultiValue | list | tuple) else [value]
    return tuple(_to_float(part) for part in parts)


def vector(dataset: Dataset, keyword: str, length: int) -> tuple[float, ...] | None:
    """Exactly `length` finite numbers, else None."""
    values = numbers(dataset, keyword)
    if len(values) != length or not all(math.isfinite(value) for value in values):
        return None
    return values


def integer(dataset: Dataset, keyword: str) -> int:
    """The value as a whole number, 0 when missing or malformed."""
    value = number(dataset, keyword)
    return int(value) if math.isfinite(value) else 0


def _value(dataset: Dataset, keyword: str) -> object | None:
    if keyword not in dataset:
        return None
    try:
        value = dataset[keyword].value
    except VALUE_ERRORS:
        return _raw_text(dataset, keyword)
    return value if value not in (None, "") else None


def _raw_text(dataset: Dataset, keyword: str) -> str | None:
    """DS and IS values as they stand in the file; None when not raw or of another VR."""
    if keyword not in dataset:
        return None
    element = dataset.get_item(keyword)
    raw = getattr(element, "value", None)
    if not isinstance(raw, bytes) or getattr(element, "VR", None) not in ("DS", "IS", None):
        return None
    if getattr(element, "VR", None) is None and keyword in ("Rows", "Columns"):
        return None  # binary (US) in implicit VR
    return raw.decode("latin-1").strip(" \0")


def _to_float(part: object) -> float:
    try:
        value = float(str(part).strip(" \0"))
    except ValueError:
        return NAN
    return value if math.isfinite(value) else NAN
