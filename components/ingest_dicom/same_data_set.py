"""Are two files the same image? Every archive writes its own file meta information, so their bytes may differ."""

from __future__ import annotations

import warnings
from pathlib import Path

import pydicom
from pydicom.errors import InvalidDicomError

from components.ingest_dicom.elements import VALUE_ERRORS
from components.ingest_dicom.headers import STREAM_ERRORS


def same_data_set(one: Path, other: Path) -> bool:
    """Whether two DICOM files hold the same data set, pixel data included, in the same transfer syntax.

    Files that cannot be read are not the same.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            first, second = pydicom.dcmread(one), pydicom.dcmread(other)
            syntaxes = {str(item.file_meta.get("TransferSyntaxUID")) for item in (first, second)}
            return len(syntaxes) == 1 and bool(first == second)
    except (InvalidDicomError, EOFError, OSError, *STREAM_ERRORS, *VALUE_ERRORS):
        return False
