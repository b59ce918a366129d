"""Damage to single elements of a DICOM file, as other software writes them or a broken link leaves them."""

from __future__ import annotations

import random
import struct

from pydicom.valuerep import STANDARD_VR

from tests.fuzz.byte_damage import bit_flips
from tests.fuzz.corpus import Base, Place

UNDEFINED = 0xFFFFFFFF
LENGTHS = (0, 1, 3, 0xFF, 0xFFFE, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, UNDEFINED)
VRS = sorted(str(vr) for vr in STANDARD_VR)
# elements that the intake reads or that decide how pixels are read
ASKED = (
    (0x0008, 0x0005), (0x0008, 0x0008), (0x0008, 0x0016), (0x0008, 0x0020), (0x0008, 0x0060), (0x0008, 0x1030),
    (0x0010, 0x0020), (0x0010, 0x1010), (0x0018, 0x0050), (0x0018, 0x0060), (0x0018, 0x1120), (0x0018, 0x1210),
    (0x0020, 0x000D), (0x0020, 0x000E), (0x0020, 0x0032), (0x0020, 0x0037), (0x0020, 0x0052), (0x0028, 0x0002),
    (0x0028, 0x0004), (0x0028, 0x0008), (0x0028, 0x0010), (0x0028, 0x0011), (0x0028, 0x0030), (0x0028, 0x0100),
    (0x0028, 0x0101), (0x0028, 0x0102), (0x0028, 0x0103), (0x0028, 0x0120), (0x0028, 0x1052), (0x0028, 0x1053),
    (0x0002, 0x0010), (0x0002, 0x0000), (0x0002, 0x0002),
)  # fmt: skip
TEXTS = (
    b"", b"0", b"-1", b"1e308", b"-1e308", b"1e-308", b"9" * 400, b"NaN", b"inf", b"0000120", b"06.757812E-01",
    b"1\\2\\3\\4\\5\\6\\7", b"\\" * 200, b"1,5", b"\x00" * 64, b"\xff\xfe\xfd", b"\x1b$B\x1b(J\x1b$)C", b"ISO_IR 999",
    b"\\ISO 2022 IR 87\\ISO 2022 IR 149", b"../../etc/passwd", b"/" * 300, b"x" * 300, b"NO" + b"-" * 40000,
    b"W" + b" " * 30000 + b"O", b"1.2.840.10008.1.2.5", b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2.4.90",
    b"1.2.840.10008.1.2.2", b"1.2.840.10008.1.2", b"1.2.3", b"ISO_IR 192", b"\xed\xa0\x80", b"99999999", b"1e4",
    b"0.001\\0.001", b"5000\\5000", b"1\\0\\0\\0\\1\\0", b"0\\0\\0\\0\\0\\0", b"1e5\\1e5\\1e5", b"1e200\\0\\1e200",
    b"100000", b"65536", b"2147483648", b"1e18", b"99999999999999999999999",
)  # fmt: skip


def _place(rng: random.Random, base: Base, blob: bytes) -> Place:
    """An element that still is where it was, most often one that the intake asks for."""
    asked = [place for place in base.places if place.tag in ASKED]
    pool = asked if asked and rng.random() < 0.7 else base.places
    for _ in range(20):
        place = rng.choice(pool)
        if blob[place.start : place.value] == base.blob[place.start : place.value]:
            return place
    return rng.choice(base.places)


def _order(place: Place) -> str:
    return ">" if place.big else "<"


def _with_length(place: Place, blob: bytes, length: int) -> bytes:
    """The same bytes, with another length in the element's header."""
    if place.implicit or place.value - place.start == 12:
        return blob[: place.value - 4] + struct.pack(_order(place) + "L", length) + blob[place.value :]
    return blob[: place.value - 2] + struct.pack(_order(place) + "H", length & 0xFFFF) + blob[place.value :]


def insert(blob: bytes, at: int, piece: bytes) -> bytes:
    """A piece more."""
    return blob[:at] + piece + blob[at:]


def _element(place: Place, tag: tuple[int, int], vr: str, value: bytes, length: int | None = None) -> bytes:
    """An element encoded as the one at `place` is."""
    length = len(value) if length is None else length
    head = struct.pack(_order(place) + "HH", *tag)
    if place.implicit:
        return head + struct.pack("<L", length & UNDEFINED) + value
    if vr in ("OB", "OW", "SQ", "UN", "UT"):
        return head + vr.encode() + b"\0\0" + struct.pack(_order(place) + "L", length) + value
    return head + vr.encode() + struct.pack(_order(place) + "H", length & 0xFFFF) + value


def dataset_start(base: Base) -> Place:
    """The first element behind the file meta information."""
    return next(place for place in base.places if place.tag[0] > 2)


def length_lie(rng: random.Random, base: Base, blob: bytes) -> bytes:
    place = _place(rng, base, blob)
    true = place.end - place.value
    lies = (*LENGTHS, max(0, true - 1), true + 1, true + 2, true * 2, rng.randrange(1 << 32))
    return _with_length(place, blob, rng.choice(lies))


def vr_swap(rng: random.Random, base: Base, blob: bytes) -> bytes:
    place = _place(rng, base, blob)
    if place.implicit:
        return bit_flips(rng, base, blob)
    return blob[: place.start + 4] + rng.choice(VRS).encode() + blob[place.start + 6 :]


def tag_swap(rng: random.Random, base: Base, blob: bytes) -> bytes:
    place, other = _place(rng, base, blob), _place(rng, base, blob)
    return blob[: place.start] + base.blob[other.start : other.start + 4] + blob[place.start + 4 :]


def delete_element(rng: random.Random, base: Base, blob: bytes) -> bytes:
    place = _place(rng, base, blob)
    return blob[: place.start] + blob[place.end :]


def duplicate_element(rng: random.Random, base: Base, blob: bytes) -> bytes:
    place = _place(rng, base, blob)
    return insert(blob, place.end, blob[place.start : place.end])


def reorder_elements(rng: random.Random, base: Base, blob: bytes) -> bytes:
    place, other = _place(rng, base, blob), _place(rng, base, blob)
    if place.start > other.start:
        place, other = other, place
    moved = blob[place.start : place.end]
    return blob[: place.start] + blob[place.end : other.end] + moved + blob[other.end :]


def odd_value(rng: random.Random, base: Base, blob: bytes) -> bytes:
    """Another value with a right length."""
    place = _place(rng, base, blob)
    value = rng.choice((*TEXTS, rng.randbytes(rng.choice((1, 2, 4, 8, 64)))))
    value = value[:0xFFFE] + b" " * (len(value) % 2)
    return _with_length(place, blob[: place.value], len(value)) + value + blob[place.end :]


def matrix_lie(rng: random.Random, base: Base, blob: bytes) -> bytes:
    for tag in ((0x0028, 0x0010), (0x0028, 0x0011)):
        place = next((place for place in base.places if place.tag == tag), None)
        if place is not None and rng.random() < 0.8:
            number = rng.choice((0, 1, 2, 511, 513, 4096, 30000, 65535))
            value = struct.pack(_order(place) + "H", number)
            blob = blob[: place.value] + value + blob[place.value + 2 :]
    return blob


def bits_lie(rng: random.Random, base: Base, blob: bytes) -> bytes:
    for element in (0x0002, 0x0100, 0x0101, 0x0102, 0x0103):
        place = next((place for place in base.places if place.tag == (0x0028, element)), None)
        if place is not None and rng.random() < 0.5:
            number = rng.choice((0, 1, 3, 7, 8, 12, 16, 17, 32, 64, 65535))
            blob = blob[: place.value] + struct.pack(_order(place) + "H", number) + blob[place.value + 2 :]
    return blob


def frames_lie(rng: random.Random, base: Base, blob: bytes) -> bytes:
    place = next((place for place in base.places if place.tag >= (0x0028, 0x0010)), base.places[-1])
    value = rng.choice((b"0 ", b"-1", b"1 ", b"2 ", b"99", b"999999999 ", b"1e9 ", b"x ", b"2147483647"))
    return insert(blob, place.start, _element(place, (0x0028, 0x0008), "IS", value))


def deep_sequence(rng: random.Random, base: Base, blob: bytes) -> bytes:
    """A sequence in a sequence in a sequence: a description of a tree that never ends."""
    place = dataset_start(base)
    depth = rng.choice((2, 40, 300, 3000, 20000))
    tag = rng.choice(((0x0008, 0x1115), (0x0040, 0x0275), (0x0009, 0x1001)))
    order = _order(place)
    item = struct.pack(order + "HHL", 0xFFFE, 0xE000, UNDEFINED)
    item_end, sequence_end = (struct.pack(order + "HHL", 0xFFFE, n, 0) for n in (0xE00D, 0xE0DD))
    opened = (_element(place, tag, rng.choice(("SQ", "SQ", "UN")), b"", UNDEFINED) + item) * depth
    closed = (item_end + sequence_end) * rng.choice((0, depth // 2, depth))
    at = rng.choice((place.start, base.pixels.start if base.pixels else place.start))
    return insert(blob, at, opened + closed)


def many_elements(rng: random.Random, base: Base, blob: bytes) -> bytes:
    place = dataset_start(base)
    count = rng.choice((100, 5000, 40000))
    tag = rng.choice(((0x0009, 0x1001), (0x0010, 0x0020), (0xFFFE, 0xE00D)))
    return insert(blob, place.start, _element(place, tag, "LO", b"ab") * count)


def undefined_length(rng: random.Random, base: Base, blob: bytes) -> bytes:
    place = _place(rng, base, blob)
    longer = [place for place in base.places if place.value - place.start == 12 or place.implicit]
    return _with_length(rng.choice(longer) if longer else place, blob, UNDEFINED)
