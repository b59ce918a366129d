"""What kind of image a series holds, from ImageType first and from words in its descriptions second."""

from __future__ import annotations

import re
from dataclasses import dataclass

from components.ingest_dicom.multi_energy import MONOENERGETIC

SCREEN_TYPES = {"SCREEN SAVE", "SCREENSHOT", "RESULTS", "GSI SCREEN SAVE"}
REFORMAT_TYPES = {"MPR", "REFORMATTED", "CSA MPR", "CSAMPR", "CORONAL", "SAGITTAL", "PROJECTION IMAGE",
                  "MIP", "MAX_IP", "AVERAGE", "MINIP", "MIN_IP", "CURVED_MPR", "VOLUME_RENDER",
                  "SURFACE_RENDER", "CPR", "VRT", "3D", "VOLREN"}  # fmt: skip

# Values 3 and on of ImageType: those of the standard (VMI, MAT_..., DICOM PS3.3 C.8.2.1.1.1) and of the makers.
# An image with a material removed stands for the one without it, be it iodine (VNC) or calcium.
# TNC and TUE, true non-contrast and true unenhanced, are no virtual images.
VNC_TYPES = re.compile(
    r"(?<![A-Z])(?:VNCA?|VUE)(?![A-Z])|VIRTUAL[ _-]*(?:NON|UN)|WATER\(IODINE\)|SUPP?RESSED_IODINE|MAT_REMOVED"
)
MONO_TYPES = re.compile(r"MONO(?!CHROME|PHAS)|\bVMI\b|\d+\s?KEV\b")
MAP_TYPES = re.compile(
    r"MATERIAL|\bMAT_|(?<![A-Z])IODINE(?![A-Z])|EFF(?:ECTIVE)?[ _]?(?:Z|ATOMIC)|Z_EFF|RHO_?Z|PERFUSION|ELECTRON|"
    r"CALCIUM_SUPP|DECOMP"
)
VNC_WORDS = re.compile(
    r"\bVNCA?\b|\bVUE\b|VIRTUAL(?:LY)?[\s\-_]*(?:NON|UN)[\s\-_]*(?:CONTRAST|ENHANCED|CALCIUM)|"
    r"\bPURE\s?(?:CALCIUM|LUMEN)\b|\bVIRT(?:\.|UELL\w*|UALE?)?[\s\-.]*NAT\w*|"
    r"\bSANS\s(?:CONTRASTE|INJECTION)\sVIRTUEL|WATER\s?\(IODINE"
)
MONO_WORDS = re.compile(
    r"MONO[\s\-_]?E(?:NERG\w*)?\b|MONOENERG\w*|MONOCHROMAT\w*|\bU?MONO(?:PLUS)?\b|\bMONO\s?\+|"
    r"\b\d{2,3}\s?KEV\b|\bVMI\b"
)
MAP_WORDS = re.compile(
    r"CALCIUM\s?SUPP|\bIODINE[\s\-_]*(?:MAP|DENSITY|OVERLAY|NO[\s\-_]*WATER|\()|\bZ[\s\-_]?EFF|"
    r"\bELECTRON[\s\-]*DENSITY|\bRHO\s?/?\s?Z\b"
)
# Siemens writes the filter's tin into protocol and description ("Sn100kV"), others into the filter's attributes
TIN_WORDS = re.compile(r"\bSN\s?\d{2,3}(?:\s?KV[P]?)?\b|\bTIN[\s\-_]*FILT\w*|\bTIN\b")
TIN_FILTERS = re.compile(r"\bTIN\b|\bSN\b|\bSN\d")
PHOTON_COUNTING_WORDS = re.compile(r"PHOTON[\s\-_]*COUNT\w*|\bPCCT\b|\bPCD[\s\-_]?CT\b|\bQUANTUM\s?PLUS\b")
PHOTON_COUNTING_SCANNERS = re.compile(r"\bNAEOTOM\b|\bPHOTONOVA\b|\bPCCT\b|PHOTON[\s\-_]*COUNT")
PHANTOM_WORDS = re.compile(
    r"\bPHANTOM\w*|\bCATPHAN\w*|\bQUALITY[\s\-_]*(?:ASSURANCE|CONTROL)\b|\bDAILY[\s\-_]*(?:QA|QC)\b"
)
# a patient scanned with a calibration phantom under the back is a patient
PATIENT_WITH_PHANTOM = re.compile(
    r"\bQCT\b|\b(?:WITH|W/|MIT|AVEC|CON|\+|AND|&)[\s\-_]*(?:\w+[\s\-_]+)?PHANTOM"
)
LEAST_BITS = 10  # 1,024 grey levels; Hounsfield units of a body need 12 bits, and 8 are a picture on a screen
GREY = ("MONOCHROME1", "MONOCHROME2", "")


@dataclass(frozen=True)
class Declared:
    """What else of a header says what kind of image it is; "" and 0 where it is silent.

    Attributes
    ----------
    bits_stored
        BitsStored (0028,0101).
    filters
        FilterType and FilterMaterial.
    quality_control
        QualityControlSubject (0010,0200): YES for a phantom.
    multi_energy
        See `multi_energy.multi_energy`.
    """

    bits_stored: int = 0
    photometric: str = ""
    filters: str = ""
    model: str = ""
    body_part: str = ""
    quality_control: str = ""
    multi_energy: tuple[str, ...] = ()


_SILENT = Declared()


def image_class(
    image_type: tuple[str, ...], *descriptions: str, declared: Declared = _SILENT
) -> tuple[str, str]:
    """Class and what it rests on ("header" or "words"; "" for an original image).

    Returns
    -------
    One of original, localizer, secondary_capture, virtual_non_contrast, monoenergetic, tin_filtered,
    photon_counting, phantom, derived, reformat.

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
    few_bits = 0 < declared.bits_stored < LEAST_BITS
    if values & SCREEN_TYPES or few_bits or declared.photometric.upper() not in GREY:
        return "secondary_capture", "header"
    if declared.quality_control.upper() == "YES" or "PHANTOM" in declared.body_part.upper():
        return "phantom", "header"
    if MONOENERGETIC in declared.multi_energy:
        return "monoenergetic", "header"
    if VNC_TYPES.search(own):
        return "virtual_non_contrast", "header"
    if MONO_TYPES.search(own):
        return "monoenergetic", "header"
    if MAP_TYPES.search(own):
        return "derived", "header"
    if values & REFORMAT_TYPES:
        return "reformat", "header"
    if PHOTON_COUNTING_SCANNERS.search(" ".join((own, declared.model.upper(), *declared.multi_energy))):
        return "photon_counting", "header"
    if TIN_FILTERS.search(declared.filters.upper()):
        return "tin_filtered", "header"
    words = " ".join(descriptions).upper().replace("_", " ")
    if VNC_WORDS.search(words):
        return "virtual_non_contrast", "words"
    if MONO_WORDS.search(words):
        return "monoenergetic", "words"
    if MAP_WORDS.search(words):
        return "derived", "words"
    if PHOTON_COUNTING_WORDS.search(words):
        return "photon_counting", "words"
    if TIN_WORDS.search(words):
        return "tin_filtered", "words"
    if PHANTOM_WORDS.search(words) and not PATIENT_WITH_PHANTOM.search(words):
        return "phantom", "words"
    if image_type[:1] == ("DERIVED",) or "SECONDARY" in values:
        return "derived", "header"
    return "original", ""
