"""Damage to NIfTI-1 files: sizes, types, scales and affines that are not, and streams that are."""

from __future__ import annotations

import gzip
import random
import struct
import zlib

from tests.fuzz.byte_damage import flipped

# name, offset, format, values: the fields of the header that say how the data are read (nifti1.h)
FIELDS = (
    ("sizeof_hdr", 0, "i", (0, 347, 540, -1)),
    ("dim", 40, "8h", None),
    (
        "datatype",
        70,
        "h",
        (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 768, 1024, 1280, 1536, 1792, 2048, 2304, -1),
    ),
    ("bitpix", 72, "h", (0, 1, 8, 64, -8, 32767)),
    ("pixdim", 76, "8f", None),
    ("vox_offset", 108, "f", (0.0, 1.0, 352.5, 1e9, -1e9, float("nan"), float("inf"))),
    ("scl_slope", 112, "f", (0.0, 1e30, -1.0, float("nan"), float("inf"), 1e-30)),
    ("scl_inter", 116, "f", (1e30, -1e30, float("nan"), float("inf"))),
    ("qform_code", 252, "2h", None),
    ("quatern", 256, "6f", None),
    ("srow", 280, "12f", None),
    ("magic", 344, "4s", (b"n+1\0", b"ni1\0", b"n+2\0", b"\0\0\0\0", b"n+1x")),
)
SIZES = (0, 1, -1, 2, 7, 1000, 32767, -32768)
REALS = (0.0, 1.0, -1.0, 1e-30, 1e30, float("nan"), float("inf"), 0.01, 60.0, 1000.0)


def damaged_nifti(rng: random.Random, raw: bytes, *, packed: bool) -> tuple[str, bytes]:
    """Kind of damage, and the file with it."""
    plain = gzip.decompress(raw) if packed else raw
    kind = rng.choice(("field", "field", "field", "field", "bytes", "cut", "stream", "bomb"))
    if kind == "field":
        names = []
        for _ in range(rng.choice((1, 1, 2, 3))):
            name, plain = _other_field(rng, plain)
            names.append(name)
        kind = "+".join(sorted(set(names)))
    elif kind == "bytes":
        plain = flipped(rng, plain[:352], rng.choice((1, 4, 32))) + plain[352:]
    elif kind == "cut":
        plain = plain[: rng.choice((rng.randrange(352), rng.randrange(len(plain))))]
    elif kind == "bomb":  # 1.6 GB of zeros, and a header that asks for them
        head = bytearray(plain[:352])
        struct.pack_into("<8h", head, 40, 3, 1024, 1024, rng.choice((800, 1600)), 1, 1, 1, 1)
        struct.pack_into("<hh", head, 70, 2, 8)
        if not packed:
            return kind, bytes(head)
        return kind, gzip.compress(bytes(head)) + _zeros(rng.choice((64, 800)))
    if not packed:
        return kind, plain
    squeezed = gzip.compress(plain, 1)
    if kind == "stream":
        squeezed = rng.choice(
            (flipped(rng, squeezed, 4), squeezed[: rng.randrange(len(squeezed))], squeezed * 2, plain)
        )
    return kind, squeezed


def _zeros(megabytes: int) -> bytes:
    """A gzip member of zeros, made of one megabyte's stream repeated."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    one = squeeze.compress(bytes(1 << 20)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    end = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS).flush()
    return b"\x1f\x8b\x08" + bytes(7) + one * megabytes + end + bytes(4) + struct.pack("<L", megabytes << 20)


def _other_field(rng: random.Random, plain: bytes) -> tuple[str, bytes]:
    name, at, form, values = rng.choice(FIELDS)
    changed = bytearray(plain)
    if values is not None:
        struct.pack_into("<" + form, changed, at, rng.choice(values))
        return name, bytes(changed)
    numbers = list(struct.unpack_from("<" + form, plain, at))
    for place in rng.sample(range(len(numbers)), rng.choice((1, 2, len(numbers)))):
        numbers[place] = rng.choice(REALS) if form.endswith("f") else rng.choice(SIZES)
    struct.pack_into("<" + form, changed, at, *numbers)
    return name, bytes(changed)
