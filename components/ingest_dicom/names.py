"""The text of a series' row without anything that names its patient: tables go further than headers do."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
from pydicom.errors import InvalidDicomError

from components.ingest_dicom.deidentify.identifying import Identifying
from components.ingest_dicom.deidentify.vocabulary import clean_descriptor
from components.ingest_dicom.elements import VALUE_ERRORS
from components.ingest_dicom.guarded_file import SizeImplausibleError, open_guarded
from components.ingest_dicom.series import CtSeries

# text of the header that goes into the table as it stands there
FREE_TEXTS = ("vendor", "model", "kernel", "modality", "photometric", "orientation", "transfer_syntax")
UNREADABLE = (OSError, EOFError, MemoryError, SizeImplausibleError, InvalidDicomError, *VALUE_ERRORS)


def without_names(row: CtSeries, file: Path) -> CtSeries:
    """The row with "" where a text holds the patient's name, number or birth date as one of its files has them.

    Of the words that declare contrast only those of `vocabulary.py` stay. A file that is none (a phantom that is
    streamed) or cannot be read again names nobody.
    """
    words = row.contrast_words and (clean_descriptor(row.contrast_words) or "CONTRAST")
    row = replace(row, contrast_words=words)
    if not file.is_file():
        return row
    try:
        with open_guarded(file) as content, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            identifying = Identifying(pydicom.dcmread(content, stop_before_pixels=True))
    except UNREADABLE:
        return row
    emptied: dict[str, Any] = {name: "" for name in FREE_TEXTS if identifying.found_in(getattr(row, name))}
    return replace(row, **emptied)
