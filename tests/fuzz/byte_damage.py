"""Damage that knows nothing of DICOM's elements: disks, networks, editors."""

from __future__ import annotations

import random

from tests.fuzz.corpus import Base


def flipped(rng: random.Random, blob: bytes, flips: int) -> bytes:
    """Single bits turned, anywhere."""
    changed = bytearray(blob)
    for _ in range(flips if blob else 0):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def truncate(rng: random.Random, base: Base, blob: bytes) -> bytes:
    end = rng.choice(
        (rng.randrange(len(blob)), rng.randrange(min(len(blob), 8000)), len(blob) - rng.randint(1, 20))
    )
    return blob[: max(0, end)]


def bit_flips(rng: random.Random, base: Base, blob: bytes) -> bytes:
    """In the header, where they matter most."""
    reach = min(len(blob), base.pixels.value + 64 if base.pixels else len(blob))
    return flipped(rng, blob[:reach], rng.choice((1, 2, 8, 64, 512))) + blob[reach:]


def noise(rng: random.Random, base: Base, blob: bytes) -> bytes:
    start, size = rng.randrange(max(1, len(blob))), rng.choice((4, 64, 2048))
    return blob[:start] + rng.randbytes(size) + blob[start + size :]


def zeros(rng: random.Random, base: Base, blob: bytes) -> bytes:
    """A lost block of the disk."""
    start = rng.randrange(max(1, min(len(blob), 20000)))
    return blob[:start] + bytes(512) + blob[start + 512 :]


def wrong_preamble(rng: random.Random, base: Base, blob: bytes) -> bytes:
    choices = (
        blob[128:], blob[132:], blob[132 + base.head :], rng.randbytes(128) + blob[128:],
        blob[:128] + b"DICX" + blob[132:],
        b"\xff" * 132 + blob[132:], blob[:128] + blob, b"II*\0" + blob[4:], blob[:132] + blob[base.head :],
    )  # fmt: skip
    return rng.choice(choices)
