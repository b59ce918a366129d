"""The drift page is one file, says what moved in words, and trusts no header text."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from monitoring.drift_page import PageContext, write_drift_page
from monitoring.verdict import FeatureVerdict, Judgement, Status, VendorVerdict

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def page(month, tmp_path_factory) -> str:
    moved = FeatureVerdict("noise_hu", "noise", "image", "ks", 3e-9, True, 40, 30, "14.0 HU", "25.0 HU")
    untested = FeatureVerdict(
        "fat_peak_hu", "fat peak", "image", "", None, False, 40, 2, "", "", note="values in 2 of 30 studies"
    )
    judgement = Judgement(
        (
            VendorVerdict("GE", Status.DRIFT, 40, 30, (moved, untested), "GE.html"),
            VendorVerdict("Canon", Status.NOT_JUDGED, 40, 3, reason="3 studies against 40; at least 20 needed"),
            VendorVerdict(HOSTILE, Status.NEW_VENDOR, 0, 4, reason="4 studies of a new vendor"),
        ),
        0.01, 20, 0.0005,
    )  # fmt: skip
    reference = month(1, 40, vendors=("GE", "Canon"))
    current = month(2, 30, vendors=("GE", "Canon", HOSTILE))
    current.loc[current["vendor"] == "Canon", "tbs"] = np.nan
    context = PageContext(
        datetime(2026, 3, 1, tzinfo=UTC),
        "7",
        "simulated",
        "80 studies, February",
        "90 studies, March",
        ("A note.",),
    )
    folder: Path = tmp_path_factory.mktemp("page")
    write_drift_page(folder / "index.html", judgement, reference, current, context)
    assert [path.name for path in folder.iterdir()] == ["index.html"]
    return (folder / "index.html").read_text()


def test_it_needs_nothing_from_anywhere(page):
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)
    assert "<script" not in page
    assert set(re.findall(r'href="([^"]+)"', page)) == {"GE.html"}


def test_it_says_what_moved_and_what_was_not_judged(page):
    assert "noise 14.0 HU -&gt; 25.0 HU (p 3e-09)" in page
    assert "3 studies against 40; at least 20 needed" in page
    assert "simulated phantoms, not patients" in page
    assert "A note." in page
    assert "not tested" in page


def test_a_vendor_name_is_text(page):
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page


def test_every_figure_has_words_for_those_who_cannot_see_it(page):
    pictures = re.findall(r'<img src="data:image/svg\+xml;base64,[^"]+" alt="([^"]*)"', page)
    assert len(pictures) == 10
    assert any("medians reference then current" in words for words in pictures)
