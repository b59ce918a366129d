"""One DICOM file to its de-identified copy, or the code it is refused with."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import cast

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import generate_fragments
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_partial
from pydicom.pixels.utils import get_expected_length
from pydicom.tag import BaseTag, Tag
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
PIXEL_TAG = Tag("PixelData")
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
    _complete_from_meta(dataset)
    try:
        _cut_to_size(dataset)
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


def _read(source: Path) -> FileDataset:
    """The whole object, if it is one that a copy is made of."""
    try:
        with open_guarded(source) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = cast(FileDataset, read_partial(file, _after_pixels()))
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


def _after_pixels() -> Callable[[BaseTag, str | None, int], bool]:
    """Tells pydicom to stop behind the pixel data: padding, signatures, or whatever was appended to the file."""
    seen = False

    def stop(tag: BaseTag, vr: str | None, length: int) -> bool:
        nonlocal seen
        behind, seen = seen or tag > PIXEL_TAG, seen or tag == PIXEL_TAG
        return behind

    return stop


def _cut_to_size(dataset: FileDataset) -> None:
    """Uncompressed pixel data as long as the image is: behind it, nothing is an image's."""
    if "PixelData" not in dataset or dataset["PixelData"].is_undefined_length:
        return
    try:
        size = get_expected_length(dataset)
    except (AttributeError, *VALUE_ERRORS):
        return  # no image: its reader says why
    data = dataset["PixelData"].value
    if len(data) > size + size % 2:
        dataset["PixelData"].value = data[:size] + b"\0" * (size % 2)


def _breaks_off(dataset: Dataset) -> bool:
    """Whether the last element is shorter than it says; pydicom takes what there is."""
    last = max(dataset.keys(), default=None)
    element = None if last is None else dataset.get_item(last)
    if not isinstance(element, RawDataElement) or element.length in (None, UNDEFINED_LENGTH):
        return False
    return len(element.value or b"") < element.length


def _complete_from_meta(dataset: FileDataset) -> None:
    """Class and instance UID that an anonymiser before us emptied: the file meta information has them too."""
    for keyword, default in (("SOPClassUID", CT_IMAGE), ("SOPInstanceUID", "")):
        if not text(dataset, keyword):
            setattr(dataset, keyword, UID(text(dataset.file_meta, f"MediaStorage{keyword}") or default))


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
