"""Data sets of any structure (hypothesis): elements missing, doubled, nested, of any VR, length and value."""

from __future__ import annotations

import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.datadict import dictionary_VR
from pydicom.tag import Tag

from components.ingest_dicom.inspect_series import inspect_series
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import SIMULATED_KEY, Pseudonymiser
from components.ingest_dicom.scan import scan_folder
from models.refusal import Code
from tests.dicom_factory import make_series
from tests.fuzz.element_damage import ASKED, TEXTS, VRS
from tests.fuzz.one_case import other_header
from tests.fuzz.structure_damage import REALS, SEQUENCES

LONG = frozenset(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"])
UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = ((0xFFFE, number) for number in (0xE000, 0xE00D, 0xE0DD))
TAGS = sorted({tag for tag in ASKED if tag[0] > 2} | {(tag.group, tag.element) for tag in SEQUENCES})


@dataclass(frozen=True)
class Element:
    """One element as it shall stand in the file; `items` make it a sequence."""

    tag: tuple[int, int]
    vr: str
    value: bytes = b""
    items: tuple[tuple[Element, ...], ...] | None = None
    undefined: bool = False
    lie: int = 0

    def encoded(self) -> bytes:
        """Explicit VR little endian, with `lie` added to the length."""
        value = self.value
        if self.items is not None:
            value = b"".join(self._item(b"".join(one.encoded() for one in item)) for item in self.items)
            value += struct.pack("<HHL", *SEQUENCE_END, 0) if self.undefined else b""
        length = UNDEFINED if self.undefined else max(0, len(value) + self.lie)
        head = struct.pack("<HH", *self.tag) + self.vr.encode()
        if self.vr in LONG:
            return head + b"\0\0" + struct.pack("<L", length) + value
        return head + struct.pack("<H", length & 0xFFFF) + value

    def _item(self, content: bytes) -> bytes:
        if self.undefined:
            return struct.pack("<HHL", *ITEM, UNDEFINED) + content + struct.pack("<HHL", *ITEM_END, 0)
        return struct.pack("<HHL", *ITEM, len(content)) + content


def _own_or_any_vr(tag: tuple[int, int]) -> st.SearchStrategy[str]:
    own = dictionary_VR(Tag(tag)).split(" ")[0]
    return st.one_of(st.just(own), st.sampled_from(VRS))


NUMBERS = st.one_of(
    st.sampled_from([struct.pack("<d", number) for number in REALS]),
    st.sampled_from([b"\xff\xff", b"\x00\x80", b"\xff\xff\xff\x7f", b"\x01", bytes(8)]),
)
VALUES = st.one_of(
    st.lists(st.one_of(st.sampled_from(TEXTS), NUMBERS), min_size=1, max_size=4).map(b"\\".join),
    st.binary(max_size=30),
)
LEAVES = st.sampled_from(TAGS).flatmap(
    lambda tag: st.builds(
        Element,
        st.just(tag),
        _own_or_any_vr(tag),
        VALUES,
        lie=st.sampled_from((0, 0, 0, 0, 0, -1, 1, 7, 60000)),
    )
)
ELEMENTS = st.recursive(
    LEAVES,
    lambda inner: st.builds(
        Element,
        st.sampled_from(TAGS),
        st.sampled_from(("SQ", "SQ", "SQ", "UN")),
        items=st.lists(st.lists(inner, max_size=3).map(tuple), max_size=3).map(tuple),
        undefined=st.booleans(),
    ),
    max_leaves=8,
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ELEMENTS, min_size=1, max_size=5), st.booleans(), st.booleans())
def test_any_structure_is_a_header_or_a_code(elements: list[Element], ordered: bool, instead: bool) -> None:
    """Put among the elements of a sound image, in order or not, and in the place of the image's own or beside it."""
    with tempfile.TemporaryDirectory() as name:
        path = make_series(Path(name) / "ct", slices=1, rows=2, columns=2)[0]
        raw = path.read_bytes()
        start = 144 + struct.unpack("<L", raw[140:144])[0]
        own = _elements(raw, start)
        given_tags = {element.tag for element in elements}
        parts = [(tag, piece) for tag, piece in own if not (instead and tag in given_tags)]
        parts += [(element.tag, element.encoded()) for element in elements]
        if ordered:
            parts.sort(key=lambda part: part[0])
        path.write_bytes(raw[:start] + b"".join(piece for _, piece in parts))
        found = scan_folder(path.parent)
        assert found.file_count == 1
        assert all(isinstance(other.code, Code) for other in found.others)
        for series in found.series:
            row = inspect_series(series, Pseudonymiser(SIMULATED_KEY), IngestParams())
            assert set(row.read_codes.split()) <= set(Code)
        assert other_header(path) == ""


def _elements(raw: bytes, at: int) -> list[tuple[tuple[int, int], bytes]]:
    """The elements of a flat explicit little-endian data set."""
    found = []
    while at < len(raw):
        group, element, vr, short = struct.unpack_from("<HH2sH", raw, at)
        long = vr.decode() in LONG
        end = at + (12 + struct.unpack_from("<L", raw, at + 8)[0] if long else 8 + short)
        found.append(((group, element), raw[at:end]))
        at = end
    return found
