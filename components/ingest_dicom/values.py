"""Header values by keyword, read tolerantly: what is malformed is missing, never guessed, never an exception."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

# An LO has 64 characters, an LT 10,240; nothing that is read here needs more than this.
CHARACTERS_MAX = 1024
UNSIGNED_SHORT_MAX = 65535
TEXT_VRS = frozenset(("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "SH", "ST", "TM", "UI", "UT"))
NAN = math.nan


class Values(ABC):
    """The values of one data set, whoever has read it."""

    __slots__ = ()

    @abstractmethod
    def texts(self, keyword: str, *, most: int | None = CHARACTERS_MAX) -> tuple[str, ...]:
        """The values as stripped text; () when missing; no more than `most` characters, nor values."""

    @abstractmethod
    def items(self, keyword: str) -> list[Values]:
        """Items of a sequence; [] when it is missing, malformed or no sequence."""

    def text(self, keyword: str) -> str:
        """The value as one stripped line; several values joined with a backslash; "" when missing."""
        return "\\".join(self.texts(keyword)).strip()

    def number(self, keyword: str) -> float:
        """The first value as a finite number; NaN when missing or malformed."""
        values = self.numbers(keyword)
        return values[0] if values else NAN

    def numbers(self, keyword: str) -> tuple[float, ...]:
        """The values as numbers, NaN where one is malformed; () when missing."""
        return tuple(map(_to_float, self.texts(keyword, most=None)))

    def vector(self, keyword: str, length: int) -> tuple[float, ...] | None:
        """Exactly `length` finite numbers, else None."""
        values = self.numbers(keyword)
        return values if len(values) == length and all(map(math.isfinite, values)) else None

    def integer(self, keyword: str) -> int:
        """The value as an unsigned short (VR US), 0 when missing or malformed."""
        value = self.number(keyword)
        return int(value) if 0 <= value <= UNSIGNED_SHORT_MAX else 0


def split_text(value: str, most: int | None) -> tuple[str, ...]:
    """The values of an element of text, as `Values.texts` gives them; `value` stands as in the file."""
    value = value.strip(" \0")
    if not value:
        return ()
    if "\\" not in value:
        return (one_line(value[:most]),)
    return tuple(one_line(item) for item in value[:most].split("\\"))


def one_line(value: str) -> str:
    """Without padding, line breaks and doubled blanks."""
    return " ".join(value.replace("\0", " ").split())


def _to_float(part: str) -> float:
    try:
        value = float(part)
    except ValueError:
        return NAN
    return value if math.isfinite(value) else NAN
