"""Levels from a NIfTI label map whose numbering scheme is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from components.ingest_dicom.nifti import NiftiError, read_nifti
from components.prepare_vertebrae.body_centre import body_centre_lps_mm
from components.prepare_vertebrae.levels import Centres
from models.refusal import Code, refuse

# TotalSegmentator v2, task total; VerSe (Sekuboyina 2021, doi 10.1016/j.media.2021.102166).
SCHEMES: dict[str, dict[str, int]] = {
    "totalseg": {"L1": 31, "L2": 30, "L3": 29, "L4": 28},
    "verse": {"L1": 20, "L2": 21, "L3": 22, "L4": 23},
}


def read_label_map(path: Path, scheme: str | None) -> Centres:
    """Body centres (3,) LPS mm of L1-L4 in a label map.

    Raises
    ------
    RefusedError
        LEVELS_UNREADABLE (scheme not named or unknown, file not NIfTI), LEVELS_NOT_IN_VIEW (none of L1-L4),
        LEVELS_AMBIGUOUS (one label over two vertebrae).
    """
    if scheme not in SCHEMES:
        given = "no numbering scheme is named" if scheme is None else f"unknown numbering scheme {scheme!r}"
        raise refuse(Code.LEVELS_UNREADABLE, f"{path.name}: {given}; accepted: {', '.join(SCHEMES)}")
    try:
        label_map = read_nifti(path)
    except NiftiError as error:
        reason = str(error).replace(str(path), path.name)
        raise refuse(Code.LEVELS_UNREADABLE, reason) from error
    labels = label_map.hu
    centres = {}
    for name, value in SCHEMES[scheme].items():
        mask = labels == value
        if mask.any():
            centres[name] = body_centre_lps_mm(mask, label_map.affine, name=name, source=path.name)
    if not centres:
        found = ", ".join(f"{value:g}" for value in np.unique(labels[labels != 0])[:12]) or "none"
        raise refuse(
            Code.LEVELS_NOT_IN_VIEW,
            f"{path.name}: none of L1-L4 under scheme {scheme} (labels found: {found})",
        )
    return centres
