"""One DICOM file to its de-identified copy, or the code it is refused with."""

from __future__ import annotations

import warnings
from pathlib import Path

import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import generate_fragments
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID, UID_dictionary

from components.ingest_dicom.deidentify.codestream import without_comments
from components.ingest_dicom.deidentify.deidentify import deidentify
from components.ingest_dicom.elements import VALUE_ERRORS, text, texts
from components.ingest_dicom.guarded_file import SizeImplausibleError, open_guarded
from components.ingest_dicom.headers import CT_IMAGE, ENHANCED_CT, SECONDARY_CAPTURES, STREAM_ERRORS
from components.ingest_dicom.image_class import image_class
from components.ingest_dicom.pseudonym import Pseudonymiser
from models.refusal import Code, refuse

# binary or fractional segmentation, label map segmentation, RT structure set
LEVEL_OBJECTS = (
    "1.2.840.10008.5.1.4.1.1.66.4",
    "1.2.840.10008.5.1.4.1.1.66.7",
    "1.2.840.10008.5.1.4.1.1.481.3",
)
KEPT_CLASSES = (CT_IMAGE, *ENHANCED_CT, *LEVEL_OBJECTS)
IMPLEMENTATION_UID = "2.25.329800735698586629295641978511506172919"
PIXEL_DATA = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
UNDEFINED_LENGTH = 0xFFFFFFFF
OVERLAYS = range(0x6000, 0x6020, 2)


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
    dataset = _read(source)
    refuse_text_in_pixels(dataset)
    syntax = text(dataset.file_meta, "TransferSyntaxUID")
    try:
        _without_comments(dataset)
        deidentify(dataset, pseudonymiser)
    except (
        OSError,
        *VALUE_ERRORS,
        *STREAM_ERRORS,
    ) as error:  # sequences are parsed when they are looked into
        raise refuse(Code.NOT_DICOM, f"the header cannot be parsed ({type(error).__name__})") from error
    # file meta information of our own: the sender's holds AE titles and private bytes, the preamble anything
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(text(dataset, "SOPClassUID") or CT_IMAGE)
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


def _read(source: Path) -> FileDataset:
    """The whole object, if it is one that a copy is made of."""
    try:
        with open_guarded(source) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(file)
    except InvalidDicomError as error:
        raise refuse(Code.NOT_DICOM, "found no DICOM preamble (the letters DICM at byte 128)") from error
    except (EOFError, *STREAM_ERRORS) as error:
        raise refuse(Code.FILE_TRUNCATED, f"the file breaks off ({type(error).__name__})") from error
    except (SizeImplausibleError, MemoryError) as error:
        found = str(error) or "the header asks for more memory than there is"
        raise refuse(Code.SIZE_IMPLAUSIBLE, found) from error
    except OSError as error:
        if error.errno is None:
            raise refuse(Code.NOT_DICOM, "the header cannot be parsed (a broken sequence)") from error
        raise refuse(Code.FILE_UNREADABLE, f"cannot be read ({error.strerror})") from error
    except VALUE_ERRORS as error:
        raise refuse(Code.NOT_DICOM, f"the header cannot be parsed ({type(error).__name__})") from error
    sop_class = text(dataset, "SOPClassUID") or text(dataset.file_meta, "MediaStorageSOPClassUID")
    if sop_class.startswith(SECONDARY_CAPTURES):
        raise refuse(Code.SECONDARY_CAPTURE, "a secondary capture: its pixels may show a name")
    # an anonymiser before us may have replaced the class: then Modality decides, as in ingest
    unknown_ct = sop_class not in UID_dictionary and text(dataset, "Modality").upper() == "CT"
    if sop_class not in KEPT_CLASSES and not (unknown_ct and "Rows" in dataset):
        kind = UID(sop_class).name if sop_class in UID_dictionary else "an unknown class"
        raise refuse(Code.NOT_CT, f"found {kind}")
    if _breaks_off(dataset) or (
        sop_class not in LEVEL_OBJECTS and not any(name in dataset for name in PIXEL_DATA)
    ):
        # written again it would be a whole file, and nobody would see what is missing
        raise refuse(Code.FILE_TRUNCATED, "the file breaks off before the end of its data set")
    return dataset


def _breaks_off(dataset: Dataset) -> bool:
    """Whether the last element is shorter than it says; pydicom takes what there is."""
    last = max(dataset.keys(), default=None)
    element = None if last is None else dataset.get_item(last)
    if not isinstance(element, RawDataElement) or element.length in (None, UNDEFINED_LENGTH):
        return False
    return len(element.value or b"") < element.length


def refuse_text_in_pixels(dataset: Dataset) -> None:
    """Refuse what may show a name in its pixels; nobody reads them, and a detector would miss some.

    Raises
    ------
    RefusedError
        BURNED_IN_TEXT, SECONDARY_CAPTURE.
    """
    if text(dataset, "BurnedInAnnotation").upper() not in ("", "NO"):
        raise refuse(Code.BURNED_IN_TEXT, "BurnedInAnnotation is not NO")
    if any((group, 0x0102) in dataset and (group, 0x3000) not in dataset for group in OVERLAYS):
        raise refuse(Code.BURNED_IN_TEXT, "an overlay lies in the unused bits of the pixels")
    kind, _ = image_class(tuple(value.upper() for value in texts(dataset, "ImageType")))
    if kind == "secondary_capture":
        raise refuse(Code.SECONDARY_CAPTURE, "ImageType says screen save")


def _without_comments(dataset: FileDataset) -> None:
    """Blank the comments of JPEG and JPEG 2000 codestreams."""
    if "PixelData" not in dataset or not dataset["PixelData"].is_undefined_length:
        return
    data = dataset.PixelData
    fragments = list(generate_fragments(data[_end_of_offset_table(data) :]))
    cleaned = [without_comments(fragment) for fragment in fragments]
    if cleaned == fragments:
        return
    # comments keep their length, so the offset table and the item lengths still hold
    changed = bytearray(data)
    place = 0
    for before, after in zip(fragments, cleaned, strict=True):
        place = data.index(before, place)
        changed[place : place + len(before)] = after
        place += len(before)
    dataset["PixelData"].value = bytes(changed)


def _end_of_offset_table(data: bytes) -> int:
    """Where the first fragment's item begins (DICOM PS3.5 A.4: the first item is the offset table)."""
    return 8 + int.from_bytes(data[4:8], "little")
