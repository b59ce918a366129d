"""Damage to what is compressed: fragments, the sizes that streams announce, deflated bombs."""

from __future__ import annotations

import random
import struct
import zlib

from tests.fuzz.byte_damage import flipped, noise
from tests.fuzz.corpus import Base
from tests.fuzz.element_damage import LENGTHS, UNDEFINED, dataset_start, insert


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
        return blob[: start + 16] + flipped(rng, reach, rng.choice((1, 4, 64)))
    if kind == 3:  # sizes only: SIZ of JPEG 2000, SOF of JPEG and JPEG-LS, the table of RLE
        return _stream_sizes(rng, blob, start)
    if kind == 4:  # an empty fragment more
        return insert(blob, start + 8, struct.pack("<HHL", 0xFFFE, 0xE000, 0))
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
    place = dataset_start(base)
    swell = b"\x09\x00\x01\x10UN\0\0" + struct.pack("<L", length)
    squeeze = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    start = squeeze.compress(blob[base.head : place.end] + swell) + squeeze.flush(zlib.Z_FULL_FLUSH)
    return blob[: base.head] + start + _deflated_zeros(megabytes)


def _deflated_zeros(megabytes: int) -> bytes:
    """Zeros as a deflate stream: one megabyte after a full flush refers to nothing before it and can be repeated."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    one = squeeze.compress(bytes(1 << 20)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    return one * megabytes + zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS).flush()
