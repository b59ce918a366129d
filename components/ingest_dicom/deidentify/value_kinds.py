"""Whether an element holds what its attribute is made for: a name can stand in bytes that call themselves numbers."""

from __future__ import annotations

from pydicom.datadict import dictionary_VM, dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

TEXTS = frozenset(
    ("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT")
)
NUMBER_BYTES = {
    "US": 2, "SS": 2, "UL": 4, "SL": 4, "UV": 8, "SV": 8, "FL": 4, "FD": 8, "AT": 4, "US or SS": 2,
}  # fmt: skip
VALUES_MAX = 10_000  # of an attribute that may have any number of values


def as_the_standard_has_it(tag: BaseTag, vr: str) -> bool:
    """Whether a VR is of the kind (text, number, bytes, sequence) that the standard gives the attribute."""
    return bool(_kinds(vr) & _kinds(dictionary_VR(tag)))


def is_number(item: Dataset, tag: BaseTag, vr: str) -> bool:
    """Whether a binary number has whole values, and no more of them than the attribute may have."""
    element = item.get_item(tag)
    if isinstance(element, RawDataElement):
        count, rest = divmod(len(element.value or b""), NUMBER_BYTES[vr])
    else:
        count, rest = item[tag].VM, 0  # pydicom has converted it
    most = dictionary_VM(tag).rpartition("-")[2]
    return rest == 0 and count <= (int(most) if most.isdigit() else VALUES_MAX)


def _kinds(vr: str) -> set[str]:
    return {_kind(one) for one in vr.split(" or ")}


def _kind(vr: str) -> str:
    return (
        "text" if vr in TEXTS else "number" if vr in NUMBER_BYTES else "sequence" if vr == "SQ" else "bytes"
    )
