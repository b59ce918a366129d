"""The contrast agent that an image declares (DICOM PS3.3 C.7.6.4, Contrast/Bolus Module, and C.7.6.4b, Enhanced)."""

from __future__ import annotations

from components.ingest_dicom.contrast_words import names_an_agent
from components.ingest_dicom.values import Values

UNNAMED = "unnamed agent"


def declared_agent(values: Values) -> str:
    """What the header says was given; "" where it names nothing or denies it.

    ContrastBolusAgent first; an agent may stand in ContrastBolusAgentSequence alone, by code, and where neither is
    filled a volume or an ingredient says that something was given.
    """
    if names_an_agent(agent := values.text("ContrastBolusAgent")):
        return agent
    coded = [item.text("CodeMeaning") or UNNAMED for item in values.items("ContrastBolusAgentSequence")]
    if given := [name for name in coded if names_an_agent(name)]:
        return ", ".join(given)
    if values.number("ContrastBolusVolume") > 0 or names_an_agent(values.text("ContrastBolusIngredient")):
        return UNNAMED
    return ""
