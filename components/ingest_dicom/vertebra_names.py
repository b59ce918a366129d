"""Vertebrae and ribs in the words that segmentations and structure sets use for them."""

from __future__ import annotations

import re

from pydicom.dataset import Dataset

# SNOMED CT, and the SNOMED-RT codes of older writers (DICOM PS3.16 CID 4040 and its mapping)
CODED = {
    "66794005": "L1", "14293000": "L2", "36470004": "L3", "11994002": "L4", "49668003": "L5", "23215003": "T12",
    "T-11910": "L1", "T-11920": "L2", "T-11930": "L3", "T-11940": "L4", "T-11950": "L5", "T-117C0": "T12",
}  # fmt: skip
CODING_SCHEMES = ("SCT", "SRT", "SNM3", "99SDM")
HIGHEST = {"T": 13, "L": 6, "S": 1}
# regions are T (thoracic), L (lumbar), S (sacral); German names: BWK, LWK, Th
REGION_WORDS = {"TH": "T", "BWK": "T", "LWK": "L", "LV": "L", "TV": "T"}
REGIONS = "TH|BWK|LWK|LV|TV|T|L|S"
NUMBERED = re.compile(
    rf"(?<![A-Z0-9])(?:({REGIONS})[ .-]?|(?:VERTEBRAE?|VERT|VB)({REGIONS}))0?(\d{{1,2}})(?![0-9]|[TLS]\d)"
)
SPELLED = re.compile(
    r"(?<![A-Z])(LUMBAR|THORACIC)(?: (?:SPINE|VERTEBRAL?|VERT|BODY|VB))* ?0?(\d{1,2})(?![0-9])"
    r"|(?<![A-Z0-9])(?:(\d{1,2})(?:ST|ND|RD|TH)?|(FIRST|SECOND|THIRD|FOURTH|FIFTH|SIXTH)) (LUMBAR|THORACIC)"
)
ORDINALS = ("FIRST", "SECOND", "THIRD", "FOURTH", "FIFTH", "SIXTH")
RANGE = re.compile(r"[TLS] ?\d{1,2} ?[-/+&] ?(?:[TLS] ?)?\d")
# beginnings of words that make a name something else than the vertebra
OTHER_THINGS = (
    "DISC", "DISK", "IVD", "INTERVERT", "NERVE", "ROOT", "GANGLI", "PEDICLE", "LAMINA", "PROCESS", "FACET", "CANAL",
    "CORD", "FORAM", "ENDPLATE", "MUSCLE", "PSOAS", "GTV", "CTV", "PTV", "ITV", "PRV", "LESION", "MET", "TUMO",
    "CEMENT", "SCREW", "RIB", "ARTER", "VEIN", "MARGIN", "RING", "AVOID", "DOSE", "LEVEL", "SLICE", "MINUS",
)  # fmt: skip
RIB = re.compile(r"(?<![A-Z])RIBS?(?![A-Z])\D*(\d{1,2})?")


def vertebra_named(text: str) -> str | None:
    """T1..T13, L1..L6 or S1 if the text names this one vertebra and nothing else; None otherwise.

    Spellings: L1, l_1, L01, L-1, vertebrae_L1, VB_L1, VertebraL1, LV1, LWK1, Th12, Lumbar vertebra 1,
    First lumbar vertebra, L1 body. Not: discs, ranges (L1-L4, L1/2), ribs, nerve roots, target volumes.
    """
    plain = re.sub(r"[_\s]+", " ", text.upper()).strip()
    words = re.findall(r"[A-Z]+", plain)
    if RANGE.search(plain) or any(word.startswith(OTHER_THINGS) for word in words):
        return None
    found = {
        _name(REGION_WORDS.get(region or glued, region or glued), int(number))
        for region, glued, number in NUMBERED.findall(plain)
    }
    for region, number, before, ordinal, after in SPELLED.findall(plain):
        place = ORDINALS.index(ordinal) + 1 if ordinal else int(number or before)
        found.add(_name((region or after)[0], place))
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
            if isinstance(item, Dataset) and str(item.get("CodingSchemeDesignator", "SCT")) in CODING_SCHEMES:
                name = CODED.get(str(item.get("CodeValue", "")).strip())
                if name is not None:
                    return name
    return None


def _name(region: str, number: int) -> str:
    return f"{region}{number}" if 1 <= number <= HIGHEST[region] else ""
