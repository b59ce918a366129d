"""The sticky split of patients: adding patients never moves one."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from components.prepare_vertebrae.params import SplitFractions
from models.crop_store import SPLITS


def assign_split(patient: str, fractions: SplitFractions, key: bytes) -> str:
    """Split of one patient (keyed hash): a function of this patient alone, so it holds for good.

    The place on [0, 1) is an HMAC-SHA256 of the patient, compared with the cumulated fractions. Every vendor
    is thereby split in the same shares, in expectation; the vendor itself stays out of the hash, so that a
    patient scanned again on another vendor's scanner stays where he is. Shares are random: of 30 patients
    of a vendor a 10 % split gets 3, and none with a probability of 4 % (see `absent_vendors`).
    """
    message = f"split:{fractions.salt}:{patient}".encode()
    place = int.from_bytes(hmac.new(key, message, hashlib.sha256).digest()[:8], "big") / 2**64
    bound = 0.0
    for name, fraction in zip(SPLITS, fractions.in_order(), strict=True):
        bound += fraction
        if place < bound:
            return name
    return SPLITS[-1]


def absent_vendors(vendor_and_split: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Pairs (vendor, split) that no patient fills, for a warning."""
    present = set(vendor_and_split)
    vendors = sorted({vendor for vendor, _ in present})
    return [(vendor, split) for vendor in vendors for split in SPLITS if (vendor, split) not in present]
