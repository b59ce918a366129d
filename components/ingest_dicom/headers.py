"""The header of one file: the few facts the project uses, parsed once and tolerantly."""

from __future__ import annotations

import struct
import warnings
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.tag import Tag
from pydicom.uid import UID, UID_dictionary

from components.ingest_dicom.archive_kind import archive_kind
from components.ingest_dicom.elements import (
    VALUE_ERRORS,
    integer,
    number,
    text,
    texts,
    vector,
)
from components.ingest_dicom.file_ends import ends_early
from components.ingest_dicom.guarded_file import FRAME_PIXELS_MAX, SizeImplausibleError, open_guarded
from components.ingest_dicom.level_references import level_references
from components.ingest_dicom.lossy import is_lossy
from components.ingest_dicom.multiframe import frame_datasets
from components.ingest_dicom.quick_header import quick_data_set
from models.refusal import Code, RefusedError

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT = ("1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")
SEGMENTATION = (
    "1.2.840.10008.5.1.4.1.1.66.4",
    "1.2.840.10008.5.1.4.1.1.66.7",
)  # binary or fractional; label map
STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
SECONDARY_CAPTURES = "1.2.840.10008.5.1.4.1.1.7"

# RescaleType of Hounsfield units; CT images may leave it out, and converters write US, unspecified, for all
# (DICOM PS3.3 C.11.1.1.2). HU_MOD, MGML, Z_EFF, ... are other quantities.
HU_TYPES = ("", "HU", "US")

# what zlib and struct raise on a stream that breaks off
STREAM_ERRORS = (zlib.error, struct.error)
# Tables and gantries are some metres long: a position farther off is a broken number, not a place.
POSITION_MM_MAX = 100_000.0

TAG_NAMES = (
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID",
    "PatientID", "Modality", "ImageType", "Manufacturer", "ManufacturerModelName", "KVP", "ConvolutionKernel",
    "SliceThickness", "SpacingBetweenSlices", "PixelSpacing", "Rows", "Columns", "GantryDetectorTilt",
    "ImageOrientationPatient", "ImagePositionPatient", "RescaleSlope", "RescaleIntercept",
    "PhotometricInterpretation", "PatientPosition", "StudyDescription", "SeriesDescription", "ProtocolName",
    "ContrastBolusAgent", "PatientSex", "PatientAge", "PatientBirthDate", "StudyDate", "AcquisitionDate",
    "NumberOfFrames", "ReferencedSeriesSequence", "ReferencedFrameOfReferenceSequence", "SegmentSequence",
    "StructureSetROISequence", "LossyImageCompression", "RescaleType", "BurnedInAnnotation",
    "BitsStored", "FilterType", "FilterMaterial", "BodyPartExamined", "QualityControlSubject",
)  # fmt: skip
TAGS = [Tag(name) for name in TAG_NAMES]
WANTED = {int(tag): tag for tag in (*TAGS, Tag("SpecificCharacterSet"))}


@dataclass(frozen=True, slots=True)
class Header:
    """What one CT image declares. Text that is missing is "", a number that is missing or malformed NaN.

    Attributes
    ----------
    lossy
        Declared or, by the transfer syntax, assumed to have been compressed with loss.
    frame
        Index of the frame in a multi-frame object; None for a single-frame image.
    frames
        Of a multi-frame object: one header a frame, in frame order; its own facts are the first frame's.
    """

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    frame_of_reference_uid: str
    patient_id: str
    modality: str
    transfer_syntax_uid: str
    image_type: tuple[str, ...]
    manufacturer: str
    model: str
    kvp: float
    kernel: str
    slice_thickness_mm: float
    spacing_between_slices_mm: float
    pixel_spacing_mm: tuple[float, ...] | None
    rows: int
    columns: int
    gantry_tilt_deg: float
    orientation: tuple[float, ...] | None
    position_mm: tuple[float, ...] | None
    rescale_slope: float
    rescale_intercept: float
    rescale_type: str
    photometric: str
    patient_position: str
    study_description: str
    series_description: str
    protocol_name: str
    contrast_agent: str
    sex: str
    age_text: str
    birth_date: str
    study_date: str
    acquisition_date: str
    lossy: bool
    truncated: bool
    bits_stored: int = 0
    filters: str = ""
    body_part: str = ""
    quality_control: str = ""
    frame: int | None = None
    frames: tuple[Header, ...] = ()


@dataclass(frozen=True, slots=True)
class OtherFile:
    """A file that is not part of a CT series, with the reason.

    Attributes
    ----------
    code
        NOT_DICOM, FILE_TRUNCATED, FILE_UNREADABLE, NOT_CT, LOCALIZER, SECONDARY_CAPTURE, ...
    kind
        What it is: "segmentation", "localizer", or the name of its SOP class.
    found
        One line for people, without identifiers.
    referenced_series
        SeriesInstanceUIDs a segmentation or structure set refers to.
    referenced_frames
        FrameOfReferenceUIDs a structure set was drawn in.
    levels_named
        How many of L1-L4 its segments or ROIs name; None when it lists none.
    """

    path: Path
    code: Code
    kind: str
    found: str
    patient_id: str = ""
    series_instance_uid: str = ""
    referenced_series: tuple[str, ...] = ()
    referenced_frames: tuple[str, ...] = ()
    levels_named: int | None = None


def read_header(path: Path) -> Header | OtherFile:
    """The header of a CT image, or why the file is none. Never raises for what a file holds."""
    try:
        if path.stat().st_size == 0:
            return OtherFile(path, Code.NOT_DICOM, "file", "found an empty file")
        with open_guarded(path) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what pydicom warns of is judged below, value by value
            dataset = quick_data_set(file, WANTED)
            if dataset is None:
                file.seek(0)
                dataset = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=TAGS)
            truncated = ends_early(file, dataset)
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
    header = header_of(path, dataset, truncated=truncated)
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


def header_of(path: Path, dataset: Dataset, *, truncated: bool) -> Header:
    """The facts of a data set that is known to be a CT image."""
    meta = getattr(dataset, "file_meta", Dataset())
    return Header(
        path=path,
        # some senders leave the class empty in the data set and right in the file meta information
        sop_class_uid=text(dataset, "SOPClassUID") or text(meta, "MediaStorageSOPClassUID"),
        sop_instance_uid=text(dataset, "SOPInstanceUID") or text(meta, "MediaStorageSOPInstanceUID"),
        series_instance_uid=text(dataset, "SeriesInstanceUID"),
        study_instance_uid=text(dataset, "StudyInstanceUID"),
        frame_of_reference_uid=text(dataset, "FrameOfReferenceUID"),
        patient_id=text(dataset, "PatientID"),
        modality=text(dataset, "Modality").upper(),
        transfer_syntax_uid=text(meta, "TransferSyntaxUID"),
        image_type=tuple(value.upper() for value in texts(dataset, "ImageType")),
        manufacturer=text(dataset, "Manufacturer"),
        model=text(dataset, "ManufacturerModelName"),
        kvp=number(dataset, "KVP"),
        kernel=text(dataset, "ConvolutionKernel"),
        slice_thickness_mm=number(dataset, "SliceThickness"),
        spacing_between_slices_mm=number(dataset, "SpacingBetweenSlices"),
        pixel_spacing_mm=_positive(vector(dataset, "PixelSpacing", 2)),
        rows=integer(dataset, "Rows"),
        columns=integer(dataset, "Columns"),
        gantry_tilt_deg=number(dataset, "GantryDetectorTilt"),
        orientation=vector(dataset, "ImageOrientationPatient", 6),
        position_mm=_place(vector(dataset, "ImagePositionPatient", 3)),
        rescale_slope=number(dataset, "RescaleSlope"),
        rescale_intercept=number(dataset, "RescaleIntercept"),
        rescale_type=text(dataset, "RescaleType").upper(),
        photometric=text(dataset, "PhotometricInterpretation"),
        patient_position=text(dataset, "PatientPosition").upper(),
        study_description=text(dataset, "StudyDescription"),
        series_description=text(dataset, "SeriesDescription"),
        protocol_name=text(dataset, "ProtocolName"),
        contrast_agent=text(dataset, "ContrastBolusAgent"),
        sex=text(dataset, "PatientSex").upper(),
        age_text=text(dataset, "PatientAge").upper(),
        birth_date=text(dataset, "PatientBirthDate"),
        study_date=text(dataset, "StudyDate"),
        acquisition_date=text(dataset, "AcquisitionDate"),
        lossy=is_lossy(text(meta, "TransferSyntaxUID"), text(dataset, "LossyImageCompression")),
        truncated=truncated,
        bits_stored=integer(dataset, "BitsStored"),
        filters=" ".join((*texts(dataset, "FilterType"), *texts(dataset, "FilterMaterial"))),
        body_part=text(dataset, "BodyPartExamined"),
        quality_control=text(dataset, "QualityControlSubject"),
    )


def _multi_frame(path: Path, *, truncated: bool) -> Header:
    """The header of an enhanced CT object with those of its frames; raises what `frame_datasets` raises."""
    frames = tuple(
        replace(header_of(path, dataset, truncated=truncated), frame=number)
        for number, dataset in enumerate(frame_datasets(path, TAGS))
    )
    return replace(frames[0], frame=None, frames=frames)


def _positive(values: tuple[float, ...] | None) -> tuple[float, ...] | None:
    return values if values is not None and all(value > 0 for value in values) else None


def _place(values: tuple[float, ...] | None) -> tuple[float, ...] | None:
    near = values is not None and all(abs(value) <= POSITION_MM_MAX for value in values)
    return values if near else None
