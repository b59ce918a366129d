"""What kind of image a series holds, from ImageType first and from words in its descriptions second."""

from __future__ import annotations

import re

SCREEN_TYPES = {"SCREEN SAVE", "SCREENSHOT", "RESULTS", "GSI SCREEN SAVE"}
REFORMAT_TYPES = {"MPR", "REFORMATTED", "CSA MPR", "CSAMPR", "CORONAL", "SAGITTAL", "PROJECTION IMAGE",
                  "MIP", "AVERAGE", "MINIP", "CPR", "VRT", "3D", "VOLREN"}  # fmt: skip

VNC_TYPES = re.compile(r"\b(?:VNC|VUE|VIRTUAL[ _-]*(?:NON|UN)|TNC)|DE_VNC|WATER\(IODINE\)|SUPP?RESSED_IODINE")
MONO_TYPES = re.compile(r"\bMONO(?:E|ENERGETIC)?\b|MONO_|MONO\+|MONOENERG|\bVMI\b|\bGSI MONO|\d+\s?KEV\b")
MAP_TYPES = re.compile(
    r"MATERIAL|\bIODINE\b|EFF(?:ECTIVE)?[ _]?(?:Z|ATOMIC)|Z_EFF|PERFUSION|ELECTRON|CALCIUM_SUPP|DECOMP"
)
VNC_WORDS = re.compile(
    r"\bVNC\b|\bVUE\b|VIRTUAL(?:LY)?[\s\-_]*(?:NON|UN)[\s\-_]*(?:CONTRAST|ENHANCED)|VIRT[\s.]*NAT|\bTNC\b"
)
MONO_WORDS = re.compile(
    r"MONO[\s\-_]?E(?:NERG\w*)?\b|MONOENERG\w*|\bMONO\b|\bMONO\s?\+|\b\d{2,3}\s?KEV\b|\bVMI\b"
)


def image_class(image_type: tuple[str, ...], *descriptions: str) -> tuple[str, str]:
    """Class and what it rests on ("header" or "words"; "" for an original image).

    Returns
    -------
    One of original, localizer, secondary_capture, virtual_non_contrast, monoenergetic, derived, reformat.

    Notes
    -----
    ImageType value 1 is ORIGINAL or DERIVED, value 2 PRIMARY or SECONDARY, value 3 and on are the
    modality's and the maker's own (DICOM PS3.3 C.7.6.1.1.2, C.8.2.1.1.1). Words come second, because an
    anonymiser or a technologist writes them.
    """
    values = set(image_type)
    own = " ".join(image_type[2:])
    if "LOCALIZER" in values:
        return "localizer", "header"
    if values & SCREEN_TYPES:
        return "secondary_capture", "header"
    if VNC_TYPES.search(own):
        return "virtual_non_contrast", "header"
    if MONO_TYPES.search(own):
        return "monoenergetic", "header"
    if MAP_TYPES.search(own):
        return "derived", "header"
    if values & REFORMAT_TYPES:
        return "reformat", "header"
    words = " ".join(descriptions).upper().replace("_", " ")
    if VNC_WORDS.search(words):
        return "virtual_non_contrast", "words"
    if MONO_WORDS.search(words):
        return "monoenergetic", "words"
    if image_type[:1] == ("DERIVED",) or "SECONDARY" in values:
        return "derived", "header"
    return "original", ""
