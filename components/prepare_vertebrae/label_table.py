"""What a label map calls its own numbers: the table that TotalSegmentator and Workbench write into the header."""

from __future__ import annotations

import warnings
import zlib
from pathlib import Path
from xml.etree import ElementTree

import nibabel
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from components.ingest_dicom.elements import VALUE_ERRORS

SIZE_MAX = 1_000_000  # bytes; a table of a hundred names has 10,000
NAMED_MAX = 5000
DIGITS_MAX = 9  # of a label's number; Python refuses to read one of 5,000


def label_table(path: Path) -> dict[int, str]:
    """Name by number from the header's extension; empty where there is none, or none that can be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            contents = [extension.get_content() for extension in nibabel.load(path).header.extensions]
    except (ImageFileError, HeaderDataError, OSError, EOFError, zlib.error, *VALUE_ERRORS):
        return {}  # the label map's reader says what is wrong with the file
    for content in contents:
        if isinstance(content, str):
            content = content.encode()
        if not isinstance(content, bytes) or b"<LabelTable" not in content or len(content) > SIZE_MAX:
            continue
        try:
            root = ElementTree.fromstring(content.strip(b"\0 \r\n\t"))
        except ElementTree.ParseError:
            continue
        labels = list(root.iter("Label"))[:NAMED_MAX]
        return {
            int(key): (label.text or "").strip()
            for label in labels
            if (key := label.get("Key", "")).isascii() and key.isdigit() and len(key) <= DIGITS_MAX
        }
    return {}
