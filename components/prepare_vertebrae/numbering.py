"""Whether the labels show five lumbar vertebrae below twelve that bear ribs, as far as labels can tell.

About one spine in eight is transitional: 'L1' of the CT may then not be 'L1' of the DXA report
(Konin and Walz 2010, doi 10.3174/ajnr.A2036). Nothing here renumbers: it is said, and a site's policy decides.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.spatial import cKDTree

from components.prepare_vertebrae.spine_labels import SpineLabels
from models.levels import LEVELS
from models.refusal import Code, Refusal

EXTRA = ("L6", "T13")
WHOLE_SHARE = 0.6  # of L1's volume: below, T12 is cut and its ribs may lie outside of the images
ONE_LEVEL = 1.5  # times the mean spacing: S1 this near to L4 leaves no room for an L5 (two levels: 2)


def numbering_flags(labels: SpineLabels, *, source: str) -> tuple[Refusal, ...]:
    """LEVELS_COUNT_UNUSUAL and LEVELS_RIBS_UNUSUAL, with what was found; empty when nothing speaks for either."""
    found = [
        Refusal(Code.LEVELS_COUNT_UNUSUAL, f"{source}: names {name}")
        for name in EXTRA
        if name in labels.centres
    ]
    if _sacrum_follows_l4(labels):
        found.append(Refusal(Code.LEVELS_COUNT_UNUSUAL, f"{source}: S1 lies next to L4, and no L5 is named"))
    ribs = _unusual_ribs(labels)
    if ribs:
        found.append(Refusal(Code.LEVELS_RIBS_UNUSUAL, f"{source}: {ribs}"))
    return tuple(found)


def _sacrum_follows_l4(labels: SpineLabels) -> bool:
    centres = labels.centres
    measured = [centres[name] for name in LEVELS if name in centres]
    if "L5" in centres or not {"L4", "S1"} <= set(centres) or len(measured) < len(LEVELS):
        return False
    spacing_mm = float(np.mean([np.linalg.norm(upper - lower) for upper, lower in pairwise(measured)]))
    return float(np.linalg.norm(centres["L4"] - centres["S1"])) < ONE_LEVEL * spacing_mm


def _unusual_ribs(labels: SpineLabels) -> str:
    """What is unusual about the twelfth ribs, in words; "" when nothing is, or when labels cannot tell."""
    bodies = labels.bodies
    if not labels.ribs_outlined or not {"T12", "L1"} <= set(bodies):
        return ""
    if not len(labels.twelfth_ribs):
        whole = bodies["T12"].volume_mm3 >= WHOLE_SHARE * bodies["L1"].volume_mm3
        return "ribs are outlined, and none at T12" if whole else ""
    away_mm = {
        name: float(np.min(cKDTree(body.surface_lps_mm).query(labels.twelfth_ribs)[0]))
        for name, body in bodies.items()
        if name in ("T11", "T12", "L1")
    }
    nearest = min(away_mm, key=lambda name: away_mm[name])
    return "" if nearest == "T12" else f"the twelfth rib lies at {nearest}, not at T12"
