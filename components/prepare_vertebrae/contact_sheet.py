"""All crops in pictures for a person to look over: which vertebra each is, and what was left out and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models.levels import LEVELS

FIRST_PAGE = "contact_sheet.png"
LATER_PAGES = "contact_sheet_[0-9][0-9][0-9].png"
TILE = 96  # a crop of 96 pixels as it is
TITLE, MARGIN, HEADING = 14, 8, 20
GAP = 2  # between tiles
COLUMNS, ROWS = 4, 18
SERIES_A_PAGE = COLUMNS * ROWS
PAGES_MAX = 20  # nobody looks over more
WINDOW_HU = (-150.0, 450.0)
LINE_CHARACTERS, LINE_PIXELS = 15, 12
HEADING_GREY, TITLE_GREY, NAME_GREY, REFUSED_GREY, FRAME_GREY = 255, 210, 255, 190, 70


@dataclass(frozen=True, eq=False)
class Strip:
    """What is shown of one series.

    Attributes
    ----------
    title
        Keyed hash, vendor, split: nothing that names anybody.
    levels
        (H, W) int16 HU by level: the middle slice at the body's centre.
    left_out
        Code by level, by "" for the whole series.
    flags
        Codes that the series was used with all the same.
    """

    title: str
    levels: Mapping[str, NDArray[np.int16]]
    left_out: Mapping[str, str] = field(default_factory=dict)
    flags: Sequence[str] = ()


def strip_title(patient: str, vendor: str, split: str) -> str:
    """Keyed hash (its beginning), vendor, and split where the series has one."""
    return " ".join(filter(None, (patient[:8], vendor, split)))


def codes_by_level(left_out: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Codes of (level, code) pairs by level, several in one line; "" is the whole series."""
    codes: dict[str, str] = {}
    for level, code in left_out:
        codes[level] = f"{codes[level]}, {code}" if level in codes else code
    return codes


def sheet_heading(data_kind: str, data_version: str) -> str:
    """One line above every page of the contact sheet."""
    whose = "simulated phantoms, not patients" if data_kind == "simulated" else "this site's patients"
    return f"Crops L1-L4 of {whose}: anterior left, head up; data version {data_version}"


def sheet_places(count: int) -> frozenset[int]:
    """Which of so many series are shown: all that 20 pages hold, or as many evenly spread."""
    shown = PAGES_MAX * SERIES_A_PAGE
    if count <= shown:
        return frozenset(range(count))
    return frozenset(np.linspace(0, count - 1, shown).round().astype(int).tolist())


class ContactSheet:
    """Pages of strips, in the order they are added; of a full page only the PNG is kept."""

    def __init__(self, heading: str, count: int) -> None:
        """`heading` stands above every page; `count` is how many series there are."""
        self.heading = heading
        self.count = count
        self.pages: list[bytes] = []
        self._strips: list[Strip] = []
        self._shown = 0

    def add(self, strip: Strip) -> None:
        """One more series."""
        self._strips.append(strip)
        if len(self._strips) == SERIES_A_PAGE:
            self._finish_page()

    def finished(self) -> dict[str, bytes]:
        """PNG by file name: `contact_sheet.png`, `contact_sheet_002.png`, ..."""
        if self._strips or not self.pages:
            self._finish_page()
        return {
            FIRST_PAGE if number == 1 else f"contact_sheet_{number:03d}.png": page
            for number, page in enumerate(self.pages, start=1)
        }

    def _finish_page(self) -> None:
        first, self._shown = self._shown + 1, self._shown + len(self._strips)
        spread = "" if len(sheet_places(self.count)) == self.count else ", evenly spread"
        which = f"series {first}-{self._shown} of {self.count}{spread}" if self._strips else "no series"
        self.pages.append(_page(self._strips, f"{self.heading}; {which}"))
        self._strips = []


def later_pages(folder: Path) -> list[Path]:
    """Pages behind the first that lie in a folder, from this run or an earlier one."""
    return sorted(folder.glob(LATER_PAGES))


def _page(strips: Sequence[Strip], heading: str) -> bytes:
    rows = max(1, -(-len(strips) // COLUMNS))
    width, height = len(LEVELS) * (TILE + GAP) + MARGIN, TILE + TITLE + MARGIN
    sheet = Image.new("L", (COLUMNS * width, HEADING + rows * height))
    draw = ImageDraw.Draw(sheet)
    draw.text((2, 3), heading, fill=HEADING_GREY)
    for number, strip in enumerate(strips):
        left, top = number % COLUMNS * width, HEADING + number // COLUMNS * height
        flagged = f"  ! {', '.join(strip.flags)}" if strip.flags else ""
        draw.text((left + 2, top), strip.title + flagged, fill=TITLE_GREY)
        for place, name in enumerate(LEVELS):
            at = (left + place * (TILE + GAP), top + TITLE)
            if name in strip.levels:
                sheet.paste(_tile(strip.levels[name]), at)
            else:
                draw.rectangle((*at, at[0] + TILE - 1, at[1] + TILE - 1), outline=FRAME_GREY)
                words = _lines(strip.left_out.get(name) or strip.left_out.get("", ""))
                draw.multiline_text((at[0] + 3, at[1] + LINE_PIXELS + 6), words, fill=REFUSED_GREY, spacing=2)
            outline = 1 if name in strip.levels else 0  # readable on bone, too
            draw.text((at[0] + 3, at[1] + 2), name, fill=NAME_GREY, stroke_width=outline, stroke_fill=0)
    buffer = BytesIO()
    sheet.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _tile(crop: NDArray[np.int16]) -> Image.Image:
    low, high = WINDOW_HU
    grey = np.clip((crop.astype(np.float32) - low) / (high - low), 0, 1) * 255
    tile = Image.fromarray(grey.astype(np.uint8))
    return tile if tile.size == (TILE, TILE) else tile.resize((TILE, TILE))


def _lines(codes: str) -> str:
    """Codes broken at their underscores, so that they fit into a tile."""
    lines: list[str] = [""]
    for word in codes.replace("_", "_ ").replace(",", ", ").split():
        if lines[-1] and len(lines[-1]) + len(word) > LINE_CHARACTERS:
            lines.append("")
        lines[-1] += word
    return "\n".join(lines)
