"""Seeded damage to DICOM files: what disks, networks, old software and bad will do to them."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable

from tests.fuzz.corpus import Base, Place

UNDEFINED = 0xFFFFFFFF
LENGTHS = (0, 1, 3, 0xFF, 0xFFFE, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, UNDEFINED)
VRS = [
    "AE",
    "AS",
    "AT",
    "CS",
    "DA",
    "DS",
    "DT",
    "FD",
    "FL",
    "IS",
    "LO",
    "LT",
    "OB",
    "OD",
    "OF",
    "OL",
    "OV",
    "OW",
    "PN",
    "SH",
    "SL",
    "SQ",
    "SS",
    "ST",
    "SV",
    "TM",
    "UC",
    "UI",
    "UL",
    "UN",
    "UR",
    "US",
    "UT",
    "UV",
]
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
Mutation = Callable[[random.Random, Base, bytes], bytes]


def mutate(rng: random.Random, base: Base) -> tuple[str, bytes]:
    """One to three kinds of damage, and the bytes as they stand in the file."""
    names, blob = [], base.blob
    wanted = rng.choice((1, 1, 1, 2, 3))
    for _ in range(wanted):
        name = rng.choice(sorted(MUTATIONS))
        blob = MUTATIONS[name](rng, base, blob)
        names.append(name)
        if name in LAST:
            break
    packed = base.packed(blob)
    if base.deflated and rng.random() < 0.2:  # damage to the deflated stream itself
        packed = packed[: base.head] + _flipped(rng, packed[base.head :], rng.randint(1, 8))
        names.append("deflated_stream")
    if base.deflated and rng.random() < 0.05:
        length = rng.choice((0x7FFFFFFE, UNDEFINED, 64))
        return "deflate_bomb", bomb(base, base.blob, rng.choice((300, 1100)), length)
    return "+".join(names), packed


def mutate_pixels(rng: random.Random, base: Base) -> bytes:
    """Other values in the pixel data alone, whose lengths stay."""
    assert base.pixels is not None
    pixels = base.pixels
    body = base.blob[pixels.value : pixels.end]
    for _ in range(rng.randint(1, 6)):
        start = rng.randrange(len(body))
        size = min(rng.choice((1, 2, 16, 4096)), len(body) - start)
        body = body[:start] + rng.randbytes(size) + body[start + size :]
    return base.packed(base.blob[: pixels.value] + body + base.blob[pixels.end :])


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


def _insert(blob: bytes, at: int, piece: bytes) -> bytes:
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


def _flipped(rng: random.Random, blob: bytes, flips: int) -> bytes:
    changed = bytearray(blob)
    for _ in range(flips if blob else 0):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _dataset_start(base: Base) -> Place:
    return next(place for place in base.places if place.tag[0] > 2)


# ------------------------------------------------------------------------------------------ kinds of damage


def truncate(rng: random.Random, base: Base, blob: bytes) -> bytes:
    end = rng.choice(
        (rng.randrange(len(blob)), rng.randrange(min(len(blob), 8000)), len(blob) - rng.randint(1, 20))
    )
    return blob[: max(0, end)]


def bit_flips(rng: random.Random, base: Base, blob: bytes) -> bytes:
    """In the header, where they matter most."""
    reach = min(len(blob), base.pixels.value + 64 if base.pixels else len(blob))
    return _flipped(rng, blob[:reach], rng.choice((1, 2, 8, 64, 512))) + blob[reach:]


def noise(rng: random.Random, base: Base, blob: bytes) -> bytes:
    start, size = rng.randrange(max(1, len(blob))), rng.choice((4, 64, 2048))
    return blob[:start] + rng.randbytes(size) + blob[start + size :]


def zeros(rng: random.Random, base: Base, blob: bytes) -> bytes:
    """A lost block of the disk."""
    start = rng.randrange(max(1, min(len(blob), 20000)))
    return blob[:start] + bytes(512) + blob[start + 512 :]


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
    return _insert(blob, place.end, blob[place.start : place.end])


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
    return _insert(blob, place.start, _element(place, (0x0028, 0x0008), "IS", value))


def deep_sequence(rng: random.Random, base: Base, blob: bytes) -> bytes:
    """A sequence in a sequence in a sequence: a description of a tree that never ends."""
    place = _dataset_start(base)
    depth = rng.choice((2, 40, 300, 3000, 20000))
    tag = rng.choice(((0x0008, 0x1115), (0x0040, 0x0275), (0x0009, 0x1001)))
    order = _order(place)
    item = struct.pack(order + "HHL", 0xFFFE, 0xE000, UNDEFINED)
    item_end, sequence_end = (struct.pack(order + "HHL", 0xFFFE, n, 0) for n in (0xE00D, 0xE0DD))
    opened = (_element(place, tag, rng.choice(("SQ", "SQ", "UN")), b"", UNDEFINED) + item) * depth
    closed = (item_end + sequence_end) * rng.choice((0, depth // 2, depth))
    at = rng.choice((place.start, base.pixels.start if base.pixels else place.start))
    return _insert(blob, at, opened + closed)


def many_elements(rng: random.Random, base: Base, blob: bytes) -> bytes:
    place = _dataset_start(base)
    count = rng.choice((100, 5000, 40000))
    tag = rng.choice(((0x0009, 0x1001), (0x0010, 0x0020), (0xFFFE, 0xE00D)))
    return _insert(blob, place.start, _element(place, tag, "LO", b"ab") * count)


def undefined_length(rng: random.Random, base: Base, blob: bytes) -> bytes:
    place = _place(rng, base, blob)
    longer = [place for place in base.places if place.value - place.start == 12 or place.implicit]
    return _with_length(rng.choice(longer) if longer else place, blob, UNDEFINED)


def wrong_preamble(rng: random.Random, base: Base, blob: bytes) -> bytes:
    choices = (
        blob[128:], blob[132:], blob[132 + base.head :], rng.randbytes(128) + blob[128:],
        blob[:128] + b"DICX" + blob[132:],
        b"\xff" * 132 + blob[132:], blob[:128] + blob, b"II*\0" + blob[4:], blob[:132] + blob[base.head :],
    )  # fmt: skip
    return rng.choice(choices)


def fragments(rng: random.Random, base: Base, blob: bytes) -> bytes:
    """Encapsulated fragments: their lengths, their offsets, the streams' own headers."""
    if not base.encapsulated or base.pixels is None:
        return noise(rng, base, blob)
    start = base.pixels.value
    kind = rng.randrange(6)
    if kind == 0:  # the offset table's or the first fragment's length
        at = start + rng.choice((4, 12))
        return blob[:at] + struct.pack("<L", rng.choice(LENGTHS)) + blob[at + 4 :]
    if kind == 1:  # the stream's header: sizes, components, tables
        at = start + 16 + rng.randrange(200)
        return blob[:at] + rng.randbytes(rng.randint(1, 4)) + blob[at + rng.randint(1, 4) :]
    if kind == 2:  # its body
        reach = blob[start + 16 :]
        return blob[: start + 16] + _flipped(rng, reach, rng.choice((1, 4, 64)))
    if kind == 3:  # sizes only: SIZ of JPEG 2000, SOF of JPEG and JPEG-LS, the table of RLE
        return _stream_sizes(rng, blob, start)
    if kind == 4:  # an empty fragment more
        return _insert(blob, start + 8, struct.pack("<HHL", 0xFFFE, 0xE000, 0))
    return blob[: len(blob) - 8] + rng.choice((b"", blob[-8:] * 3, blob[start:]))


def _stream_sizes(rng: random.Random, blob: bytes, start: int) -> bytes:
    big = struct.pack(">L", rng.choice((0, 1, 513, 30000, 65535, 1 << 20, 1 << 30, 0x7FFFFFFF, UNDEFINED)))
    if (at := blob.find(b"\xff\x4f\xff\x51", start)) >= 0:  # SOC, SIZ: Lsiz Rsiz Xsiz Ysiz XO YO XT YT
        field = at + 8 + 4 * rng.randrange(8)
        return blob[:field] + big + blob[field + 4 :]
    for marker in (b"\xff\xf7", b"\xff\xc3", b"\xff\xc1", b"\xff\xc0"):
        if (at := blob.find(marker, start, start + 4000)) >= 0:
            field = at + 5 + 2 * rng.randrange(2)
            return blob[:field] + big[2:] + blob[field + 2 :]
    field = start + 16 + 4 * rng.randrange(8)
    return blob[:field] + big[::-1] + blob[field + 4 :]


def bomb(base: Base, blob: bytes, megabytes: int, length: int) -> bytes:
    """A file of some hundred kilobytes that inflates to hundreds of megabytes, inside one private element."""
    place = _dataset_start(base)
    swell = b"\x09\x00\x01\x10UN\0\0" + struct.pack("<L", length)
    squeeze = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    start = squeeze.compress(blob[base.head : place.end] + swell) + squeeze.flush(zlib.Z_FULL_FLUSH)
    return blob[: base.head] + start + _deflated_zeros(megabytes)


def _deflated_zeros(megabytes: int) -> bytes:
    """Zeros as a deflate stream: one megabyte after a full flush refers to nothing before it and can be repeated."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    one = squeeze.compress(bytes(1 << 20)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    return one * megabytes + zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS).flush()


# after these no element is where it was
LAST = {"truncate", "wrong_preamble", "deep_sequence", "many_elements"}
MUTATIONS: dict[str, Mutation] = {
    mutation.__name__: mutation
    for mutation in (
        truncate, bit_flips, noise, zeros, length_lie, vr_swap, tag_swap, delete_element, duplicate_element,
        reorder_elements, odd_value, matrix_lie, bits_lie, frames_lie, deep_sequence, many_elements,
        undefined_length, wrong_preamble, fragments,
    )
}  # fmt: skip
