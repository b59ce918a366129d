"""Seeded damage to DICOM files: what disks, networks, old software and bad will do to them."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.fuzz.byte_damage import bit_flips, flipped, noise, truncate, wrong_preamble, zeros
from tests.fuzz.corpus import Base
from tests.fuzz.element_damage import (
    UNDEFINED,
    bits_lie,
    deep_sequence,
    delete_element,
    duplicate_element,
    frames_lie,
    length_lie,
    many_elements,
    matrix_lie,
    odd_value,
    reorder_elements,
    tag_swap,
    undefined_length,
    vr_swap,
)
from tests.fuzz.stream_damage import bomb, fragments
from tests.fuzz.structure_damage import restructured

Mutation = Callable[[random.Random, Base, bytes], bytes]
STRUCTURE_SHARE = 0.25
MUTATIONS: dict[str, Mutation] = {
    mutation.__name__: mutation
    for mutation in (
        truncate, bit_flips, noise, zeros, length_lie, vr_swap, tag_swap, delete_element, duplicate_element,
        reorder_elements, odd_value, matrix_lie, bits_lie, frames_lie, deep_sequence, many_elements,
        undefined_length, wrong_preamble, fragments,
    )
}  # fmt: skip
# after these no element is where it was
LAST = {"truncate", "wrong_preamble", "deep_sequence", "many_elements"}


def mutate(rng: random.Random, base: Base) -> tuple[str, bytes]:
    """One to three kinds of damage, and the bytes as they stand in the file."""
    names, blob = [], base.blob
    wanted = rng.choice((1, 1, 1, 2, 3))
    if rng.random() < STRUCTURE_SHARE:
        return "restructured", restructured(rng, base)
    for _ in range(wanted):
        name = rng.choice(sorted(MUTATIONS))
        blob = MUTATIONS[name](rng, base, blob)
        names.append(name)
        if name in LAST:
            break
    packed = base.packed(blob)
    if base.deflated and rng.random() < 0.2:  # damage to the deflated stream itself
        packed = packed[: base.head] + flipped(rng, packed[base.head :], rng.randint(1, 8))
        names.append("deflated_stream")
    if base.deflated and rng.random() < 0.05:
        length = rng.choice((0x7FFFFFFE, UNDEFINED, 64))
        return "deflate_bomb", bomb(base, base.blob, rng.choice((300, 1100)), length)
    return "+".join(names), packed
