"""The header of any file by pydicom, or why it is none of a CT image."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.tag import Tag
from pydicom.uid import UID, UID_dictionary

from components.ingest_dicom.archive_kind import archive_kind
from components.ingest_dicom.elements import VALUE_ERRORS, DataSetValues, number, text
from components.ingest_dicom.file_ends import ends_early
from components.ingest_dicom.guarded_file import FRAME_PIXELS_MAX, SizeImplausibleError, open_guarded
from components.ingest_dicom.header_facts import header_of
from components.ingest_dicom.header_tags import HEADER_TAGS
from components.ingest_dicom.headers import (
    CT_IMAGE,
    ENHANCED_CT,
    SECONDARY_CAPTURES,
    SEGMENTATION,
    STREAM_ERRORS,
    STRUCTURE_SET,
    Header,
    OtherFile,
)
from components.ingest_dicom.level_references import level_references
from components.ingest_dicom.multiframe import frame_datasets
from models.refusal import Code, RefusedError

TAGS = [Tag(tag) for tag, _ in HEADER_TAGS.values()]


def read_by_pydicom(path: Path) -> Header | OtherFile:
    """The header of a CT image, or why the file is none. Never raises for what a file holds."""
    try:
        if path.stat().st_size == 0:
            return OtherFile(path, Code.NOT_DICOM, "file", "found an empty file")
        with open_guarded(path) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what pydicom warns of is judged below, value by value
            dataset = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=TAGS)
            truncated = ends_early(file, dataset.file_meta.get("TransferSyntaxUID"))
            return _sort_out(path, dataset, truncated)
    except InvalidDicomError:
        return _not_dicom(path)
    except (EOFError, *STREAM_ERRORS) as error:
        return OtherFile(path, Code.FILE_TRUNCATED, "file", f"the header breaks off ({type(error).__name__})")
    except SizeImplausibleError as error:
        return OtherFile(path, Code.SIZE_IMPLAUSIBLE, "file", str(error))
    except MemoryError:
        return OtherFile(path, Code.SIZE_IMPLAUSIBLE, "file", "the header asks for more memory than there is")
    except OSError as error:
        if error.errno is None:  # pydicom's own, not the system's: a sequence that breaks off or never ends
            return OtherFile(path, Code.NOT_DICOM, "file", "the header cannot be parsed (a broken sequence)")
        return OtherFile(path, Code.FILE_UNREADABLE, "file", f"cannot be read ({error.strerror or error})")
    except VALUE_ERRORS as error:
        return OtherFile(
            path, Code.NOT_DICOM, "file", f"the header cannot be parsed ({type(error).__name__})"
        )


def _not_dicom(path: Path) -> OtherFile:
    try:
        kind = archive_kind(path)
    except OSError as error:
        return OtherFile(path, Code.FILE_UNREADABLE, "file", f"cannot be read ({error.strerror or error})")
    if kind is not None:
        return OtherFile(path, Code.ARCHIVE_NOT_OPENED, "archive", f"found an archive ({kind})")
    return OtherFile(path, Code.NOT_DICOM, "file", "found no DICOM preamble (the letters DICM at byte 128)")


def _sort_out(path: Path, dataset: Dataset, truncated: bool) -> Header | OtherFile:
    header = header_of_data_set(path, dataset, truncated=truncated)
    sop_class, series_uid = header.sop_class_uid, header.series_instance_uid

    def other(code: Code, kind: str, found: str) -> OtherFile:
        return OtherFile(path, code, kind, found, header.patient_id, series_uid)

    if sop_class in SEGMENTATION or sop_class == STRUCTURE_SET:
        kind = "segmentation" if sop_class in SEGMENTATION else "structure set"
        return replace(other(Code.NOT_CT, kind, f"a DICOM {kind}"), **level_references(dataset))
    if sop_class in ENHANCED_CT:
        try:
            header = _multi_frame(path, truncated=truncated)
        except RefusedError as error:
            return other(error.refusals[0].code, "enhanced CT", error.refusals[0].found)
    elif (wrong := _no_ct(dataset, header, truncated=truncated)) is not None:
        return other(*wrong)
    if text(dataset, "BurnedInAnnotation").upper() == "YES":
        return other(Code.BURNED_IN_TEXT, "CT image", "BurnedInAnnotation is YES")
    if header.rows * header.columns > FRAME_PIXELS_MAX:
        found = (
            f"found {header.rows} rows of {header.columns} pixels, at most {FRAME_PIXELS_MAX} pixels are read"
        )
        return other(Code.SIZE_IMPLAUSIBLE, "CT image", found)
    return header


def _no_ct(dataset: Dataset, header: Header, *, truncated: bool) -> tuple[Code, str, str] | None:
    """Code, kind and finding of what is no single-frame CT image; None for one that is."""
    sop_class = header.sop_class_uid
    known = sop_class in UID_dictionary
    if sop_class.startswith(SECONDARY_CAPTURES):
        return (Code.SECONDARY_CAPTURE, "secondary capture", f"found {UID(sop_class).name}")
    if known and sop_class != CT_IMAGE:
        return (Code.NOT_CT, UID(sop_class).name, f"found {UID(sop_class).name}")
    if sop_class != CT_IMAGE and (header.modality != "CT" or "Rows" not in dataset):
        # an anonymiser may have replaced the UID of the class: then Modality decides
        if not sop_class and not header.modality and not header.series_instance_uid:
            return (Code.FILE_TRUNCATED, "file", "the header breaks off before it says what it is")
        # two letters, as most defined terms have; a longer text may be anything
        named = f"Modality {header.modality!r}" if len(header.modality) <= 2 else "another Modality"
        return (Code.NOT_CT, "unknown", f"found {named} of an unknown class")
    if truncated and not header.series_instance_uid:
        return (Code.FILE_TRUNCATED, "file", "the header breaks off before SeriesInstanceUID")
    if number(dataset, "NumberOfFrames") > 1:
        return (Code.ENHANCED_MULTIFRAME, "multi-frame CT", "found several frames in one CT image")
    return None


def header_of_data_set(path: Path, dataset: Dataset, *, truncated: bool) -> Header:
    """The facts of a data set that is known to be a CT image."""
    meta = getattr(dataset, "file_meta", Dataset())
    return header_of(path, DataSetValues(dataset), DataSetValues(meta), truncated=truncated)


def _multi_frame(path: Path, *, truncated: bool) -> Header:
    """The header of an enhanced CT object with those of its frames; raises what `frame_datasets` raises."""
    frames = tuple(
        replace(header_of_data_set(path, dataset, truncated=truncated), frame=number)
        for number, dataset in enumerate(frame_datasets(path, TAGS))
    )
    return replace(frames[0], frame=None, frames=frames)
