"""One DICOM file read whole for a copy of it, or the code it is refused with."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import cast

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_partial
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, UID_dictionary

from components.ingest_dicom.elements import VALUE_ERRORS, text
from components.ingest_dicom.guarded_file import SizeImplausibleError, open_guarded
from components.ingest_dicom.headers import CT_IMAGE, ENHANCED_CT, SECONDARY_CAPTURES, STREAM_ERRORS
from models.refusal import Code, refuse

# binary or fractional segmentation, label map segmentation, RT structure set
LEVEL_OBJECTS = (
    "1.2.840.10008.5.1.4.1.1.66.4",
    "1.2.840.10008.5.1.4.1.1.66.7",
    "1.2.840.10008.5.1.4.1.1.481.3",
)
KEPT_CLASSES = (CT_IMAGE, *ENHANCED_CT, *LEVEL_OBJECTS)
PIXEL_DATA = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
PIXEL_TAG = Tag("PixelData")
UNDEFINED_LENGTH = 0xFFFFFFFF


def read_object(source: Path) -> FileDataset:
    """The whole object, if it is one that a copy is made of: up to its pixel data, with its class and instance.

    Raises
    ------
    RefusedError
        NOT_DICOM, FILE_TRUNCATED, FILE_UNREADABLE, SIZE_IMPLAUSIBLE, SECONDARY_CAPTURE, NOT_CT.
    """
    try:
        with open_guarded(source) as content, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = cast(FileDataset, read_partial(content, _after_pixels()))
    except InvalidDicomError as error:
        raise refuse(Code.NOT_DICOM, "found no DICOM preamble (the letters DICM at byte 128)") from error
    except (EOFError, *STREAM_ERRORS) as error:
        raise refuse(Code.FILE_TRUNCATED, f"the file breaks off ({type(error).__name__})") from error
    except (SizeImplausibleError, MemoryError) as error:
        found = str(error) or "the header asks for more memory than there is"
        raise refuse(Code.SIZE_IMPLAUSIBLE, found) from error
    except OSError as error:
        if error.errno is None:  # pydicom's own, not the disk's: a sequence that breaks off
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
    _complete_from_meta(dataset)
    return dataset


def _after_pixels() -> Callable[[BaseTag, str | None, int], bool]:
    """Tells pydicom to stop behind the pixel data: padding, signatures, or whatever was appended to the file."""
    seen = False

    def stop(tag: BaseTag, vr: str | None, length: int) -> bool:
        nonlocal seen
        behind, seen = seen or tag > PIXEL_TAG, seen or tag == PIXEL_TAG
        return behind

    return stop


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
