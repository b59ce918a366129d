"""Pixel data as bytes: text that may be shown in them is refused, text that is hidden between or behind them goes."""

from __future__ import annotations

from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import generate_fragments
from pydicom.pixels.utils import get_expected_length

from components.ingest_dicom.deidentify.codestream import without_comments
from components.ingest_dicom.elements import VALUE_ERRORS, text, texts
from components.ingest_dicom.image_class import image_class
from models.refusal import Code, refuse

OVERLAYS = range(0x6000, 0x6020, 2)


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


def clean_pixel_bytes(dataset: FileDataset) -> None:
    """Take out, in place, what is no pixel; the image stays as it is."""
    _cut_to_size(dataset)
    _without_comments(dataset)


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
