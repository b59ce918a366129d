"""The header of one file: quickly where the file is an ordinary CT image, else by pydicom."""

from __future__ import annotations

from pathlib import Path

from components.ingest_dicom.file_ends import ends_early
from components.ingest_dicom.guarded_file import FRAME_PIXELS_MAX
from components.ingest_dicom.header_facts import header_of
from components.ingest_dicom.headers import CT_IMAGE, Header, OtherFile
from components.ingest_dicom.quick_header import quick_values

DICOM_ROOT = "1.2.840.10008."  # of every UID that the standard defines (PS3.5 chapter 9)


def read_header(path: Path) -> Header | OtherFile:
    """The header of a CT image, or why the file is none. Never raises for what a file holds."""
    header = quick_header(path)
    if header is not None:
        return header
    # here: a process that meets ordinary images only starts in a tenth of the time that importing pydicom takes
    from components.ingest_dicom.pydicom_header import read_by_pydicom

    return read_by_pydicom(path)


def quick_header(path: Path) -> Header | None:
    """The same header as pydicom gives; None for whatever is no ordinary CT image, or cannot be read."""
    try:
        if path.stat().st_size == 0:  # a pipe as well, which would keep its reader waiting
            return None
        with path.open("rb", buffering=0) as file:
            found = quick_values(file)
            if found is None:
                return None
            values, meta = found
            header = header_of(path, values, meta, truncated=ends_early(file, meta.text("TransferSyntaxUID")))
    except OSError:
        return None
    sop_class = header.sop_class_uid
    # an anonymiser may have replaced the UID of the class: then Modality decides
    replaced = not sop_class.startswith(DICOM_ROOT) and header.modality == "CT" and header.rows > 0
    ordinary = (
        (sop_class == CT_IMAGE or replaced)
        and (header.series_instance_uid or not header.truncated)
        and not values.number("NumberOfFrames") > 1
        and values.text("BurnedInAnnotation").upper() != "YES"
        and header.rows * header.columns <= FRAME_PIXELS_MAX
    )
    return header if ordinary else None
