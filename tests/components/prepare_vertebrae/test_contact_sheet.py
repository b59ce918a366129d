"""What a person sees on the contact sheet: every series, every level by name, and the codes of what was left out."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw

from components.prepare_vertebrae.contact_sheet import (
    COLUMNS,
    GAP,
    HEADING,
    MARGIN,
    PAGES_MAX,
    SERIES_A_PAGE,
    TILE,
    TITLE,
    ContactSheet,
    Strip,
    codes_by_level,
    sheet_places,
)
from models.levels import LEVELS

BRIGHT = np.full((TILE, TILE), 450, np.int16)  # the top of the window: 255
WIDTH, HEIGHT = len(LEVELS) * (TILE + GAP) + MARGIN, TILE + TITLE + MARGIN


def pages_of(strips: list[Strip], count: int | None = None) -> dict[str, np.ndarray]:
    sheet = ContactSheet("Crops", count or len(strips))
    for strip in strips:
        sheet.add(strip)
    return {name: np.asarray(Image.open(BytesIO(page))) for name, page in sheet.finished().items()}


def tile_of(page: np.ndarray, strip: int, level: str) -> np.ndarray:
    top = HEADING + strip // COLUMNS * HEIGHT + TITLE
    left = strip % COLUMNS * WIDTH + LEVELS.index(level) * (TILE + GAP)
    return page[top : top + TILE, left : left + TILE]


def written(text: str) -> np.ndarray:
    """The text as the sheet's font draws it, in white on black."""
    box = ImageDraw.Draw(Image.new("L", (1, 1))).textbbox((0, 0), text)
    image = Image.new("L", (int(box[2]) + 1, int(box[3]) + 1))
    ImageDraw.Draw(image).text((0, 0), text, fill=255)
    drawn = np.asarray(image) > 128
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    return drawn[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def shows(part: np.ndarray, text: str, grey: int) -> bool:
    """Whether the text stands somewhere in a part of a page (its strokes are `grey` or nearly so)."""
    wanted = written(text)
    there = part > grey / 2
    height, width = wanted.shape
    return any(
        np.array_equal(there[row : row + height, column : column + width], wanted)
        for row in range(there.shape[0] - height + 1)
        for column in range(there.shape[1] - width + 1)
    )


def test_each_level_stands_in_its_place_under_its_name_and_what_is_missing_says_why() -> None:
    strip = Strip("a1b2c3d4 GE test", {"L2": BRIGHT}, {"L3": "METAL_IN_VERTEBRA", "L1": "VERTEBRA_CUT"})
    (page,) = pages_of([strip]).values()
    assert np.median(tile_of(page, 0, "L2")) == 255
    for name in ("L1", "L3", "L4"):
        assert np.median(tile_of(page, 0, name)) == 0
        assert shows(tile_of(page, 0, name), name, 255)
    assert shows(tile_of(page, 0, "L3"), "METAL_IN_", 190)
    assert shows(tile_of(page, 0, "L3"), "VERTEBRA", 190)
    assert shows(tile_of(page, 0, "L1"), "CUT", 190) or shows(tile_of(page, 0, "L1"), "VERTEBRA_CUT", 190)
    assert not shows(tile_of(page, 0, "L4"), "CUT", 190)


def test_a_refused_series_is_shown_with_its_code_on_every_level() -> None:
    (page,) = pages_of([Strip("a", {}, {"": "SCOLIOSIS"}), Strip("b", {"L1": BRIGHT})]).values()
    assert all(shows(tile_of(page, 0, name), "SCOLIOSIS", 190) for name in LEVELS)
    assert np.median(tile_of(page, 1, "L1")) == 255


def test_flags_stand_beside_the_title() -> None:
    plain, flagged = (
        next(iter(pages_of([Strip("a", {}, {}, flags)]).values()))[HEADING : HEADING + TITLE, :WIDTH]
        for flags in ((), ("LEVELS_RIBS_UNUSUAL",))
    )
    assert shows(flagged, "LEVELS_RIBS_UNUSUAL", 210)
    assert not shows(plain, "LEVELS_RIBS_UNUSUAL", 210)


def test_hundreds_of_series_are_paged_and_none_is_hidden() -> None:
    count = 2 * SERIES_A_PAGE + 3
    pages = pages_of([Strip(str(number), {"L1": BRIGHT}) for number in range(count)])
    assert list(pages) == ["contact_sheet.png", "contact_sheet_002.png", "contact_sheet_003.png"]
    shown = sum(
        int(np.median(tile_of(page, strip, "L1")) == 255)
        for page in pages.values()
        for strip in range((page.shape[0] - HEADING) // HEIGHT * COLUMNS)
    )
    assert shown == count
    assert all(page.shape[1] <= 2000 and page.shape[0] <= 2500 for page in pages.values())  # one screen wide


def test_of_thousands_of_series_as_many_as_twenty_pages_hold_are_evenly_spread() -> None:
    most = PAGES_MAX * SERIES_A_PAGE
    assert sheet_places(most) == frozenset(range(most))
    places = sorted(sheet_places(10 * most))
    assert len(places) == most
    assert (places[0], places[-1]) == (0, 10 * most - 1)
    assert max(np.diff(places)) <= 11


def test_several_codes_of_one_series_are_all_named() -> None:
    assert codes_by_level([("", "SCOLIOSIS"), ("L1", "VERTEBRA_CUT"), ("", "LEVELS_TOO_FEW")]) == {
        "": "SCOLIOSIS, LEVELS_TOO_FEW",
        "L1": "VERTEBRA_CUT",
    }
