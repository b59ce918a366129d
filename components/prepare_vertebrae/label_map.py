"""Levels from a NIfTI label map whose numbering scheme is named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.ingest_dicom.nifti import NiftiError, read_nifti
from components.ingest_dicom.vertebra_names import vertebra_named
from components.prepare_vertebrae.label_table import label_table
from components.prepare_vertebrae.spine_labels import BodyCollector, SpineLabels
from models.levels import LEVELS
from models.refusal import Code, refuse


@dataclass(frozen=True)
class Scheme:
    """Which number means what.

    Attributes
    ----------
    vertebrae
        Number by name.
    ribs
        Numbers of all ribs; empty where the scheme has none.
    twelfth_ribs
        Numbers of the twelfth, left and right.
    """

    vertebrae: dict[str, int]
    ribs: tuple[int, ...] = ()
    twelfth_ribs: tuple[int, ...] = ()


_TOTALSEG = {"T11": 33, "T12": 32, "L1": 31, "L2": 30, "L3": 29, "L4": 28, "L5": 27}
_TOTALSEG_RIBS = (tuple(range(92, 116)), (103, 115))  # left 1-12, right 1-12
# TotalSegmentator v2, tasks total and total_v3; v1, in whose numbers 31-28 are T4-T7.
# VerSe (Sekuboyina 2021, doi 10.1016/j.media.2021.102166).
SCHEMES: dict[str, Scheme] = {
    "totalseg": Scheme({**_TOTALSEG, "S1": 26}, *_TOTALSEG_RIBS),
    "verse": Scheme(
        {
            "T11": 18, "T12": 19, "T13": 28,
            "L1": 20, "L2": 21, "L3": 22, "L4": 23, "L5": 24, "L6": 25, "S1": 26,
        }
    ),
    "totalseg_v1": Scheme(
        {"T11": 24, "T12": 23, "L1": 22, "L2": 21, "L3": 20, "L4": 19, "L5": 18}, tuple(range(58, 82)), (69, 81)
    ),
    "totalseg_v3": Scheme({**_TOTALSEG, "L6": 26}, *_TOTALSEG_RIBS),
}  # fmt: skip


def scheme_in_name(path: Path) -> str | None:
    """The scheme that the file's own name states: `case.totalseg.nii.gz`; None when it states none."""
    parts = path.name.lower().removesuffix(".gz").removesuffix(".nii").split(".")
    return parts[-1] if len(parts) > 1 and parts[-1] in SCHEMES else None


def read_label_map(path: Path, scheme: str | None) -> SpineLabels:
    """Bodies of the vertebrae in a label map, and its twelfth ribs.

    Parameters
    ----------
    scheme
        From `SCHEMES`; None where the file's name states it.

    Raises
    ------
    RefusedError
        LEVELS_UNREADABLE (scheme not named, unknown or contradicted by the name; file not NIfTI, or with values
        between whole numbers), LEVELS_NOT_IN_VIEW (none of L1-L4), LEVELS_AMBIGUOUS (one label over two vertebrae,
        or the header calls the scheme's number something else).
    """
    stated = scheme_in_name(path)
    if stated and scheme and stated != scheme:
        raise refuse(Code.LEVELS_UNREADABLE, f"{path.name}: its name states {stated}, but {scheme} is given")
    scheme = scheme or stated
    table = label_table(path)
    if scheme not in SCHEMES:
        given = "no numbering scheme is named" if scheme is None else f"unknown numbering scheme {scheme!r}"
        raise refuse(
            Code.LEVELS_UNREADABLE, f"{path.name}: {given}{_hint(table)}; accepted: {', '.join(SCHEMES)}"
        )
    numbers = SCHEMES[scheme]
    _require_agreement(numbers, table, f"{path.name}: scheme {scheme}")
    try:
        label_map = read_nifti(path, whole_numbers=True)
    except NiftiError as error:
        reason = str(error).replace(str(path), path.name)
        raise refuse(Code.LEVELS_UNREADABLE, reason) from error
    labels, affine = label_map.hu, label_map.affine
    found = BodyCollector(path.name, mask_end_is_field_end=True)
    for name, value in numbers.vertebrae.items():
        found.add(name, labels == value, affine)
    if not set(LEVELS) & set(found.centres):
        values = ", ".join(f"{value:g}" for value in np.unique(labels[labels != 0])[:12]) or "none"
        raise refuse(
            Code.LEVELS_NOT_IN_VIEW,
            f"{path.name}: none of L1-L4 under scheme {scheme} (labels found: {values})",
        )
    twelfth = np.argwhere(np.isin(labels, numbers.twelfth_ribs))
    return found.labels(
        twelfth_ribs=twelfth @ affine[:3, :3].T + affine[:3, 3],
        ribs_outlined=bool(np.isin(labels, numbers.ribs).any()),
    )


def _hint(table: dict[int, str]) -> str:
    """Which schemes the file's own table of labels is written in, in words; it does not choose one."""
    named = {number: name for number, text in table.items() if (name := vertebra_named(text)) in LEVELS}
    fitting = [
        scheme
        for scheme, numbers in SCHEMES.items()
        if named and all(numbers.vertebrae[name] == number for number, name in named.items())
    ]
    return f" (its own table of labels is that of {' or '.join(fitting)})" if fitting else ""


def _require_agreement(numbers: Scheme, table: dict[int, str], scheme: str) -> None:
    """Refuse a file whose own table calls the scheme's number of L1-L4 something else."""
    for name in LEVELS:
        number = numbers.vertebrae[name]
        called = table.get(number)
        if called is not None and vertebra_named(called) not in (None, name):
            raise refuse(
                Code.LEVELS_AMBIGUOUS,
                f"{scheme} says {number} is {name}, the file's own table of labels {vertebra_named(called)}",
            )
