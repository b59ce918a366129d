"""The split of patients: sticky by shares, or exact by numbers."""

from __future__ import annotations

import hashlib
import hmac
from collections import defaultdict
from collections.abc import Iterable, Sequence

from components.prepare_vertebrae.params import SplitParams
from models.crop_store import SPLITS
from models.errors import InputError


class SplitError(InputError):
    """The patients cannot be split as asked: other numbers, or a vendor that a split lacks."""


def assign_splits(
    patients: Sequence[str], vendors: Sequence[str], params: SplitParams, key: bytes
) -> list[str]:
    """Split of every patient (keyed hash), in order.

    Shares are drawn patient by patient (`assign_split`). Numbers are exact: within each vendor patients are
    ranked by their place, vendors are interleaved evenly by rank, and that row is cut; each vendor is thereby
    in every split in proportion, to within a patient or two.

    Raises
    ------
    SplitError
        Numbers that do not add up to the patients there are, or a patient named twice.
    """
    if not params.exact:
        return [assign_split(patient, params, key) for patient in patients]
    if len(set(patients)) != len(patients):
        raise SplitError("prepare.split: a patient occurs twice; exact numbers need one series a patient")
    if params.patients != len(patients):
        asked = ", ".join(f"{name} {getattr(params, name):.0f}" for name in SPLITS)
        raise SplitError(
            f"prepare.split: numbers add up to {params.patients} patients ({asked}), there are {len(patients)}; "
            "give numbers that add up, or shares"
        )
    of_vendor: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for patient, vendor in zip(patients, vendors, strict=True):
        of_vendor[vendor].append((_place(patient, params, key), patient))
    row = sorted(
        ((rank + 0.5) / len(members), place, patient)
        for members in of_vendor.values()
        for rank, (place, patient) in enumerate(sorted(members))
    )
    names = [name for name in SPLITS for _ in range(int(getattr(params, name)))]
    split = {patient: name for (_, _, patient), name in zip(row, names, strict=True)}
    return [split[patient] for patient in patients]


def assign_split(patient: str, params: SplitParams, key: bytes) -> str:
    """Split of one patient (keyed hash) by shares: a function of this patient alone, so it holds for good.

    The place on [0, 1) is an HMAC-SHA256 of the patient, compared with the cumulated shares. Every vendor
    is thereby split in the same shares, in expectation; the vendor itself stays out of the hash, so that a
    patient scanned again on another vendor's scanner stays where he is. Shares are random: of 30 patients
    of a vendor a 10 % split gets 3, and none with a probability of 4 % (see `absent_vendors`).
    """
    place = _place(patient, params, key)
    bound = 0.0
    for name, fraction in zip(SPLITS, params.in_order(), strict=True):
        bound += fraction
        if place < bound:
            return name
    return SPLITS[-1]


def _place(patient: str, params: SplitParams, key: bytes) -> float:
    message = f"split:{params.salt}:{patient}".encode()
    return int.from_bytes(hmac.new(key, message, hashlib.sha256).digest()[:8], "big") / 2**64


def absent_vendors(
    vendor_and_split: Iterable[tuple[str, str]], used: tuple[str, ...] = SPLITS
) -> list[tuple[str, str]]:
    """Pairs (vendor, split) of the used splits that no patient fills."""
    present = set(vendor_and_split)
    vendors = sorted({vendor for vendor, _ in present})
    return [(vendor, split) for vendor in vendors for split in used if (vendor, split) not in present]


def refuse_absent_vendors(absent: list[tuple[str, str]], params: SplitParams) -> None:
    """Hold to `absent_vendor: refuse`.

    Raises
    ------
    SplitError
        Naming every vendor and the split that lacks it.
    """
    if absent and params.absent_vendor == "refuse":
        named = "; ".join(f"no patient of vendor {vendor} in split {split}" for vendor, split in absent)
        raise SplitError(
            f"prepare.split: {named}; add patients, or accept it with prepare.split.absent_vendor: warn"
        )
