"""What segments and contours are called: of free text only words of radiology, and always the same vertebra or rib."""

from __future__ import annotations

from components.ingest_dicom.deidentify.vocabulary import clean_descriptor
from components.ingest_dicom.vertebra_names import rib_named, vertebra_named

LABELS = frozenset(("SegmentLabel", "SegmentDescription", "ROIName"))


def clean_label(text: str) -> str:
    """The label's listed words where they mean what it meant, else the vertebra or rib alone; "" for anything else.

    A word that goes may be the one that says that it is no vertebra (the target volume PTV_L2), or what numbers it
    (Lumbar vertebra 2).
    """
    cleaned = clean_descriptor(text)
    if _meaning(cleaned) == _meaning(text):
        return cleaned
    vertebra, rib = _meaning(text)
    if rib is not None:
        return f"rib {rib}" if rib else "ribs"
    return vertebra or ""


def _meaning(text: str) -> tuple[str | None, int | None]:
    return vertebra_named(text), rib_named(text)
