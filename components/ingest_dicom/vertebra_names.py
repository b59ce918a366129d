"""Vertebrae and ribs in the words that segmentations and structure sets use for them."""

from __future__ import annotations

import re

from pydicom.dataset import Dataset

from components.ingest_dicom.vertebra_words import one_spelling

# SNOMED CT, and the SNOMED-RT codes of older writers (DICOM PS3.16 CID 4040 and its mapping)
CODED = {
    "66794005": "L1", "14293000": "L2", "36470004": "L3", "11994002": "L4", "49668003": "L5", "23215003": "T12",
    "12989004": "T11", "T-11910": "L1", "T-11920": "L2", "T-11930": "L3", "T-11940": "L4", "T-11950": "L5",
    "T-117C0": "T12", "T-117B0": "T11",
}  # fmt: skip
CODING_SCHEMES = ("SCT", "SRT", "SNM3", "99SDM")
# Foundational Model of Anatomy, and Uberon with its cross-references to it
CODED_ANATOMY = {
    "FMA": {"13072": "L1", "13073": "L2", "13074": "L3", "13075": "L4", "13076": "L5", "10081": "T12"},
    "UBERON": {
        "0004617": "L1", "0004618": "L2", "0004619": "L3", "0004620": "L4", "0004621": "L5", "0004636": "T12",
    },
}  # fmt: skip
HIGHEST = {"T": 13, "L": 6, "S": 1}
# regions are T (thoracic), L (lumbar), S (sacral)
REGION_WORDS = {"TH": "T", "LV": "L", "TV": "T"}
REGIONS = "TH|LV|TV|T|L|S"
NUMBERED = re.compile(
    rf"(?<![A-Z0-9])(?:({REGIONS})[ .-]?|(?:VERTEBRAE?|VERT|VB)({REGIONS}))0?(\d{{1,2}})(?![0-9]|[TLS]\d)"
)
SPELLED = re.compile(r"(?<![A-Z])(LUMBAR|THORACIC) ?0?(\d{1,2})(?![0-9])")
REGION = "(?:T|L|S|LUMBAR|THORACIC)"
RANGE = re.compile(rf"{REGION} ?\d{{1,2}} ?[-/+&–] ?(?:{REGION} ?)?\d")
# beginnings of words that make a name something else than the vertebra
OTHER_THINGS = (
    "DISC", "DISK", "IVD", "INTERVERT", "NERVE", "ROOT", "GANGLI", "PEDICLE", "LAMINA", "PROCESS", "FACET", "CANAL",
    "CORD", "FORAM", "ENDPLATE", "MUSCLE", "PSOAS", "GTV", "CTV", "PTV", "ITV", "PRV", "LESION", "MET", "TUMO",
    "CEMENT", "SCREW", "RIB", "ARTER", "VEIN", "MARGIN", "RING", "AVOID", "DOSE", "LEVEL", "SLICE", "MINUS",
    "FAT", "VAT", "SAT", "IMAT", "ADIP", "SUBCUT", "VISC", "TISSUE", "AORT", "KIDNEY", "LUNG", "COLON", "BOWEL",
    "DISQ", "BANDSCHEIB", "TUSSENWERVEL", "NERF", "NERV", "WURZEL", "RACINE", "RAIZ", "RADICE", "RIPPE", "COST",
    "MUSC", "MUSK", "MUSZ", "PEDIK", "PEDUNC", "NODUL", "FETT", "GRAIS", "GRASA",
)  # fmt: skip
RIB = re.compile(r"(?<![A-Z])RIBS?(?![A-Z])\D*(\d{1,2})?")


def vertebra_named(text: str) -> str | None:
    """T1..T13, L1..L6 or S1 if the text names this one vertebra and nothing else; None otherwise.

    Spellings: L1, l_1, L01, L-1, vertebrae_L1, VB_L1, VertebraL1, LV1, LWK1, Th12, Lumbar vertebra 1,
    First lumbar vertebra, L1 body, and other languages (`vertebra_words.py`). Not: discs, ranges (L1-L4, L1/2), ribs,
    nerve roots, target volumes, and what a body composition measures at a level (VAT L3).
    """
    plain = one_spelling(text)
    words = re.findall(r"[A-Z]+", plain)
    if RANGE.search(plain) or any(word.startswith(OTHER_THINGS) for word in words):
        return None
    found = {
        _name(REGION_WORDS.get(region or glued, region or glued), int(number))
        for region, glued, number in NUMBERED.findall(plain)
    }
    found |= {_name(region[0], int(number)) for region, number in SPELLED.findall(plain)}
    found.discard("")
    return found.pop() if len(found) == 1 else None


def rib_named(text: str) -> int | None:
    """Number of the rib that the text names (rib_left_12); 0 for ribs without a number; None for no rib."""
    match = RIB.search(re.sub(r"[_\s]+", " ", text.upper()))
    return None if match is None else int(match.group(1) or 0)


def vertebra_coded(*code_sequences: object) -> str | None:
    """The vertebra that a code of the given sequences means; None when none does."""
    for sequence in code_sequences:
        for item in sequence or ():  # type: ignore[attr-defined]
            if isinstance(item, Dataset) and (name := _coded(item)) is not None:
                return name
    return None


def _coded(item: Dataset) -> str | None:
    scheme = str(item.get("CodingSchemeDesignator", "SCT")).strip().upper()
    value = str(item.get("CodeValue", "")).strip()
    if scheme in CODING_SCHEMES:
        return CODED.get(value)
    return CODED_ANATOMY.get(scheme, {}).get(value.upper().removeprefix(scheme).lstrip(":_ "))


def _name(region: str, number: int) -> str:
    return f"{region}{number}" if 1 <= number <= HIGHEST[region] else ""
