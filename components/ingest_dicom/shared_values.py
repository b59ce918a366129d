"""One object for what many headers say alike: the slices of a series differ in little, and a cohort has millions."""

from __future__ import annotations

import math
import struct
from dataclasses import fields
from pathlib import Path
from typing import Any

from components.ingest_dicom.headers import Header, OtherFile

# of each image alone, or of another kind
_ITS_OWN = frozenset(("path", "sop_instance_uid", "position_mm", "frame", "frames"))
_ALIKE = tuple(field.name for field in fields(Header) if field.name not in _ITS_OWN)


class SharedValues:
    """Values seen so far; about two thirds of a header's memory is theirs."""

    def __init__(self) -> None:
        self._seen: dict[Any, Any] = {}

    def share(self, item: Header | OtherFile, path: Path) -> Header | OtherFile:
        """The same header, with every value that was seen before taken from there; nothing that it says changes.

        `path` is the caller's object for the file: one that came from another process is let go.
        """
        object.__setattr__(item, "path", path)
        if isinstance(item, Header):
            self._share(item)
            for frame in item.frames:
                self._share(frame)
        return item

    def _share(self, header: Header) -> None:
        for name in _ALIKE:
            value = getattr(header, name)
            shared = self._of(value)
            if shared is not value:
                object.__setattr__(header, name, shared)  # frozen, and still equal to what it was

    def _of(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._seen.setdefault(value, value)
        if isinstance(value, float):
            # -0.0 equals 0.0 and is another number; NaN equals nothing
            return math.nan if value != value else self._seen.setdefault(value, value) if value else value
        if isinstance(value, tuple) and value:
            texts = isinstance(value[0], str)
            key = value if texts else struct.pack(f"{len(value)}d", *value)
            return self._seen.setdefault(key, value)
        return value
