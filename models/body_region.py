"""Where the vertebral body lies in a crop: from the crop's geometry and a typical body, not from a label.

The crop store holds no masks, and crops are cut about the body's centre along the vertebra's own axes; a body of
typical size about that centre is therefore within a few millimetres of the true one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.crop_store import CropGeometry

# Lumbar vertebral bodies L1-L4: mean endplate depth 34-36 mm, mean height 24-28 mm (Panjabi et al., Spine
# 1992;17:299-306).
BODY_DEPTH_MM = 35.0
BODY_HEIGHT_MM = 28.0
# Beyond a typical body on every side, so that the cortex and endplates of a large one are inside as well; discs are
# three times as thick, so neighbours stay outside.
MARGIN_MM = 2.0
WORDS = (
    f"a body of typical size ({BODY_DEPTH_MM:g} x {BODY_HEIGHT_MM:g} mm, Panjabi 1992) with {MARGIN_MM:g} mm of "
    "margin, about the body centre that the crop was cut around; from geometry, not from a label"
)
_SQUARENESS = 6.0  # exponent of the superellipse: a rectangle with rounded corners


def body_weight(geometry: CropGeometry, *, edge_mm: float = 1.5) -> NDArray[np.float64]:
    """(H, W) weights, 1 inside the body and 0 outside, falling over `edge_mm`; rows superior to inferior."""
    pixel_mm = geometry.size_mm / geometry.pixels
    line = (np.arange(geometry.pixels) - (geometry.pixels - 1) / 2) * pixel_mm
    half_height_mm, half_depth_mm = BODY_HEIGHT_MM / 2 + MARGIN_MM, BODY_DEPTH_MM / 2 + MARGIN_MM
    down = np.abs(line)[:, None] / half_height_mm
    back = np.abs(line + geometry.centre_shift_mm)[None, :] / half_depth_mm
    radius = (down**_SQUARENESS + back**_SQUARENESS) ** (1 / _SQUARENESS)
    beyond_mm = (radius - 1.0) * half_height_mm
    return np.clip(0.5 - beyond_mm / edge_mm, 0.0, 1.0)


def body_mask(geometry: CropGeometry) -> NDArray[np.bool_]:
    """(H, W) True inside the body."""
    return body_weight(geometry) >= 0.5
