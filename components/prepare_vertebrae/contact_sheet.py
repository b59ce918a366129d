"""One picture of all crops for a person to look over."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models.levels import LEVELS

TILE = 64
TITLE = 12
HEADING = 18
COLUMNS = 6
SERIES_MAX = 180
WINDOW_HU = (-150.0, 450.0)


def sheet_places(count: int) -> frozenset[int]:
    """Which of so many series are shown: all up to 180, then 180 evenly spread; the others need not be kept."""
    if count <= SERIES_MAX:
        return frozenset(range(count))
    return frozenset(np.linspace(0, count - 1, SERIES_MAX).round().astype(int).tolist())


def contact_sheet(strips: Sequence[tuple[str, dict[str, NDArray[np.int16]]]], heading: str) -> bytes:
    """PNG of the middle slices, one strip L1-L4 a series; a level that was left out stays black.

    Parameters
    ----------
    strips
        (title, level name to (H, W) int16 HU); more than 180 are thinned evenly.
    heading
        One line above all.
    """
    shown = sheet_places(len(strips))
    strips = [strip for number, strip in enumerate(strips) if number in shown]
    rows = max(1, -(-len(strips) // COLUMNS))
    width, height = len(LEVELS) * TILE + 8, TILE + TITLE + 4
    sheet = Image.new("L", (COLUMNS * width, HEADING + rows * height))
    draw = ImageDraw.Draw(sheet)
    draw.text((2, 2), heading, fill=255)
    low, high = WINDOW_HU
    for number, (title, levels) in enumerate(strips):
        left, top = number % COLUMNS * width, HEADING + number // COLUMNS * height
        draw.text((left + 2, top), title, fill=200)
        for place, name in enumerate(LEVELS):
            if name in levels:
                grey = np.clip((levels[name].astype(np.float32) - low) / (high - low), 0, 1) * 255
                tile = Image.fromarray(grey.astype(np.uint8)).resize((TILE, TILE))
                sheet.paste(tile, (left + place * TILE, top + TITLE))
    buffer = BytesIO()
    sheet.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
