"""One DICOM file to its de-identified copy, or the code it is refused with."""

from __future__ import annotations

import warnings
from pathlib import Path

from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID

from components.ingest_dicom.deidentify.deidentify import deidentify
from components.ingest_dicom.deidentify.pixel_bytes import clean_pixel_bytes, refuse_text_in_pixels
from components.ingest_dicom.deidentify.read_object import read_object
from components.ingest_dicom.elements import VALUE_ERRORS, text
from components.ingest_dicom.headers import STREAM_ERRORS
from components.ingest_dicom.pseudonym import Pseudonymiser
from models.refusal import Code, refuse

IMPLEMENTATION_UID = "2.25.329800735698586629295641978511506172919"


def deidentify_file(source: Path, target: Path, pseudonymiser: Pseudonymiser) -> None:
    """Write the de-identified copy of `source` to `target`, whole or not at all; pixels stay as they are.

    Raises
    ------
    RefusedError
        NOT_DICOM, FILE_TRUNCATED, FILE_UNREADABLE, SIZE_IMPLAUSIBLE; NOT_CT for any object but CT, segmentation and
        structure set; SECONDARY_CAPTURE and BURNED_IN_TEXT, whose pixels may show a name.
    OSError
        The copy cannot be written.
    """
    dataset = read_object(source)
    refuse_text_in_pixels(dataset)
    syntax = text(dataset.file_meta, "TransferSyntaxUID")
    try:
        clean_pixel_bytes(dataset)
        deidentify(dataset, pseudonymiser)
    # OSError: sequences are parsed when they are looked into
    except (OSError, *VALUE_ERRORS, *STREAM_ERRORS) as error:
        raise refuse(Code.NOT_DICOM, f"the header cannot be parsed ({type(error).__name__})") from error
    # file meta information of our own: the sender's holds AE titles and private bytes, the preamble anything
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(text(dataset, "SOPClassUID"))
    meta.MediaStorageSOPInstanceUID = UID(text(dataset, "SOPInstanceUID"))
    meta.TransferSyntaxUID = UID(syntax)
    meta.ImplementationClassUID = UID(IMPLEMENTATION_UID)
    meta.ImplementationVersionName = "OSTEOGATE"
    dataset.file_meta = meta
    dataset.preamble = b"\0" * 128
    partial = target.with_name(f".{target.name}.partial")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd values of the sender are copied, not judged
            dataset.save_as(partial, enforce_file_format=True)
    except VALUE_ERRORS as error:
        partial.unlink(missing_ok=True)
        raise refuse(Code.NOT_DICOM, f"a value cannot be written again ({type(error).__name__})") from error
    except OSError as error:
        partial.unlink(missing_ok=True)
        if error.errno is None:  # pydicom's own, not the disk's: a sequence that breaks off
            raise refuse(Code.NOT_DICOM, "the header cannot be parsed (a broken sequence)") from error
        raise
    partial.replace(target)
