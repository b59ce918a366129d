"""What a site's level file is called in a de-identified cohort: after the new PatientID or SeriesInstanceUID."""

from __future__ import annotations

import re
from collections.abc import Collection

from components.ingest_dicom.level_files import SUFFIXES
from components.ingest_dicom.pseudonym import Pseudonymiser

UID = re.compile(r"[0-2](\.(0|[1-9]\d*)){3,}", re.ASCII)  # three dots: a number with dots may be a PatientID


def level_suffix(name: str) -> str:
    """The longest suffix of a level file that a file name ends with (`.totalseg.nii.gz`); "" for any other file."""
    return max((suffix for suffix in SUFFIXES if name.endswith(suffix)), key=len, default="")


def new_level_name(name: str, pseudonymiser: Pseudonymiser, series_uids: Collection[str]) -> str:
    """The file name in place of `<PatientID or SeriesInstanceUID><suffix>`.

    Parameters
    ----------
    series_uids
        SeriesInstanceUIDs of the de-identified series. A name that is one of them stays; one that becomes one of them,
        or that only a UID can be, is a series; any other is a patient.
    """
    suffix = level_suffix(name)
    stem = name.removesuffix(suffix)
    if stem in series_uids:
        return name
    new = pseudonymiser.new_uid(stem)
    if new not in series_uids and not UID.fullmatch(stem):
        new = pseudonymiser.new_patient_id(stem)
    return f"{new}{suffix}"
