"""Damage that is well written: any element at any depth of nesting, with right lengths and values that are not."""

from __future__ import annotations

import copy
import io
import random
import struct
import warnings
from collections.abc import Callable

from pydicom import dcmread, dcmwrite
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag
from pydicom.valuerep import STANDARD_VR

from tests.fuzz.corpus import Base
from tests.fuzz.element_damage import TEXTS

PIXELS = Tag("PixelData")
SEQUENCES = [
    Tag(name)
    for name in (
        "ReferencedSeriesSequence", "ReferencedFrameOfReferenceSequence", "SegmentSequence",
        "StructureSetROISequence", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
        "RequestAttributesSequence", "SourceImageSequence", "ContrastBolusAgentSequence",
    )
]  # fmt: skip
DATASETS_MAX = 400  # nested ones that a draw is made of
REALS = (0.0, -0.0, 5e-324, 1e308, -1e308, float("inf"), float("-inf"), float("nan"), 1e39, -1.0)
WHOLE = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "UV": "Q", "SV": "q"}
TIMES = {
    "DA": (b"00000000", b"99991231", b"00010101", b"2020.01.01", b"20200101-20210101", b"20209999", b"2020"),
    "TM": (b"240000", b"999999.999999", b"10:20:30", b"1"),
    "DT": (b"99991231235959.999999+1400", b"0001", b"20200101000000&0100"),
    "AS": (b"999Y", b"-01Y", b"000D", b"0.5Y", b"Y", b"090M"),
    "PN": (b"^^^^", b"a=b=c=d", b"^" * 300, b"\xff=\xfe"),
}
_Edit = Callable[[random.Random, Dataset], None]


def restructured(rng: random.Random, base: Base) -> bytes:
    """The file with one to three elements changed and everything written anew; as it was where that cannot be."""
    raw = base.packed(base.blob)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = dcmread(io.BytesIO(raw))
            for _ in range(rng.choice((1, 1, 2, 3))):
                parts = _parts(dataset)
                part = dataset if rng.random() < 0.4 else rng.choice(parts)
                rng.choice(EDITS)(rng, part)
            written = io.BytesIO()
            implicit, little = dataset.original_encoding
            dcmwrite(written, dataset, implicit_vr=implicit, little_endian=little, force_encoding=True)
        except Exception:  # noqa: BLE001 - what pydicom cannot read or write is no well-written file
            return raw
    return written.getvalue()


def _parts(dataset: Dataset) -> list[Dataset]:
    """The data set and those nested in it."""
    found = [dataset]
    for part in found:
        if len(found) > DATASETS_MAX:
            break
        for tag in part.keys():  # noqa: SIM118 - iterating converts every element
            element = part.get_item(tag)
            if element is not None and element.VR == "SQ" and isinstance(part[tag].value, Sequence):
                found.extend(part[tag].value)
    return found


def _tag(rng: random.Random, part: Dataset, *, sequences: bool = False) -> BaseTag | None:
    tags = [tag for tag in part.keys() if tag != PIXELS]  # noqa: SIM118
    if sequences:
        tags = [tag for tag in tags if part.get_item(tag).VR == "SQ"]
    return rng.choice(tags) if tags else None


def _raw(part: Dataset, tag: BaseTag, vr: str, value: bytes) -> None:
    """Put bytes under a tag as they are."""
    implicit, little = getattr(part, "original_encoding", (False, True))
    part[tag] = RawDataElement(
        tag, None if implicit else vr, len(value), value, 0, bool(implicit), little is not False
    )


def _vr(part: Dataset, tag: BaseTag) -> str:
    return str(part.get_item(tag).VR or "UN")


def _bytes(part: Dataset, tag: BaseTag) -> bytes:
    value = part.get_item(tag).value
    return value if isinstance(value, bytes) else str(value or "").encode("utf-8", "replace")[:200]


def extreme_bytes(rng: random.Random, vr: str, *, big: bool = False) -> bytes:
    """One value, or many, at the ends of what a VR can say."""
    order = ">" if big else "<"
    if vr in ("FD", "FL", "OD", "OF"):
        code = "d" if vr in ("FD", "OD") else "f"
        number = rng.choice([v for v in REALS if code == "d" or not 1e38 < abs(v) < float("inf")])
        one = struct.pack(order + code, number)
    elif vr in WHOLE:
        size = 8 * struct.calcsize("<" + WHOLE[vr])
        low, high = (-(1 << (size - 1)), (1 << (size - 1)) - 1) if vr[0] == "S" else (0, (1 << size) - 1)
        one = struct.pack(order + WHOLE[vr], rng.choice((low, high, 0, 1, high // 2)))
    elif vr in ("AT", "OB", "OW", "OL", "OV", "UN", "SQ"):
        one = rng.randbytes(rng.choice((0, 1, 2, 4, 8, 64)))
    else:
        one = rng.choice((*TIMES.get(vr, ()), *TEXTS))
        return b"\\".join([one] * rng.choice((1, 1, 1, 2, 3, 7, 500)))
    return one * rng.choice((1, 1, 1, 2, 3, 7, 500))


# ------------------------------------------------------------------------------------------ edits


def _delete(rng: random.Random, part: Dataset) -> None:
    if (tag := _tag(rng, part)) is not None:
        del part[tag]


def _empty(rng: random.Random, part: Dataset) -> None:
    if (tag := _tag(rng, part)) is not None:
        _raw(part, tag, _vr(part, tag), b"")


def _extreme(rng: random.Random, part: Dataset) -> None:
    if (tag := _tag(rng, part)) is not None:
        vr = _vr(part, tag)
        value = extreme_bytes(rng, vr)
        _raw(part, tag, vr, value + b" " * (len(value) % 2))


def _odd_length(rng: random.Random, part: Dataset) -> None:
    if (tag := _tag(rng, part)) is not None:
        value = _bytes(part, tag)
        _raw(part, tag, _vr(part, tag), rng.choice((value + b"0", value[:-1], value + b"\0\0\0", b"1")))


def _other_vr(rng: random.Random, part: Dataset) -> None:
    if (tag := _tag(rng, part)) is not None:
        _raw(part, tag, rng.choice(VRS), _bytes(part, tag))


def _as_sequence(rng: random.Random, part: Dataset) -> None:
    """Any element as a sequence: of nothing, of an empty item, of a copy of its own parent."""
    if (tag := _tag(rng, part)) is not None:
        items = rng.choice(([], [Dataset()], [_copy(part)], [Dataset()] * 300))
        part[tag] = DataElement(tag, "SQ", Sequence(items))


def _items(rng: random.Random, part: Dataset) -> None:
    """A sequence with other items: none, the first only, all twice, in reverse, one empty, one more empty."""
    if (tag := _tag(rng, part, sequences=True)) is not None:
        old = list(part[tag].value or ())
        hole = [Dataset() if number == len(old) // 2 else item for number, item in enumerate(old)]
        choices = ([], old[:1], old + old, old[::-1], hole, [*old, Dataset()], old * 20)
        part[tag] = DataElement(tag, "SQ", Sequence(rng.choice(choices)))
        part[tag].is_undefined_length = rng.random() < 0.5


def _nest(rng: random.Random, part: Dataset) -> None:
    """A copy of the data set inside itself, and in that another, some times over."""
    tag = rng.choice(SEQUENCES)
    inner = _copy(part)
    for _ in range(rng.choice((1, 2, 20, 60))):
        outer = _copy(part) if rng.random() < 0.2 else Dataset()
        outer[tag] = DataElement(tag, "SQ", Sequence([inner]))
        inner = outer
    part[tag] = inner[tag]


def _swap(rng: random.Random, part: Dataset) -> None:
    """Two elements with each other's values."""
    one, other = _tag(rng, part), _tag(rng, part)
    if one is not None and other is not None and one != other:
        values = _bytes(part, one), _bytes(part, other)
        _raw(part, one, _vr(part, one), values[1])
        _raw(part, other, _vr(part, other), values[0])


def _copy(part: Dataset) -> Dataset:
    """A small copy: without pixels and without sequences, that depth does not multiply."""
    made = Dataset()
    for tag in part.keys():  # noqa: SIM118
        element = part.get_item(tag)
        if tag != PIXELS and tag.group > 2 and element.VR != "SQ":
            made[tag] = copy.copy(element)
    return made


VRS = sorted(str(vr) for vr in STANDARD_VR)
EDITS: tuple[_Edit, ...] = (
    _delete, _empty, _extreme, _extreme, _extreme, _odd_length, _other_vr, _as_sequence, _items, _items, _nest, _swap,
)  # fmt: skip
