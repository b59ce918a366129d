"""The summary is one page whatever the size of the batch, with nothing left out of it."""

from __future__ import annotations

import re

from components.validate_dicom.summary_page import PageFacts, render_summary
from components.validate_dicom.tables import QuarantineRow
from models.refusal import Basis, Code

COUNTS = {
    "files_read": 9, "files_in_accepted_series": 3, "files_in_quarantined_series": 3, "files_other": 3,
    "series_read": 3, "series_accepted": 1, "series_quarantined": 2, "exams_read": 2, "exams_accepted": 1,
    "exams_quarantined": 1, "patients_accepted": 1,
}  # fmt: skip


def _page(rows: int) -> str:
    names = [f"s{number:04d}" for number in range(rows)]
    quarantine = [
        QuarantineRow("series", name, name, name, 0, Code.LOCALIZER, Basis.HEADER, "a scout")
        for name in names
    ]
    warnings = ("batch: Too few pairs.", *(f"series {name}: THICKNESS_UNVALIDATED: 8 mm" for name in names))
    choices = tuple(
        {
            "patient": name,
            "series": name,
            "kind": "CT series",
            "decision": "left",
            "codes": "",
            "why": "thick",
        }
        for name in names
    )
    facts = PageFacts(COUNTS, {"LOCALIZER": rows}, {"GE": 1}, warnings, "simulated", "v1", (), "", choices)
    return render_summary(facts, quarantine)


def test_what_is_about_single_rows_is_folded_away_and_still_there() -> None:
    large = _page(400)
    assert all(large.count(f"s{number:04d}") >= 3 for number in range(400))
    unfolded = re.sub(r"<details>.*?</details>", "", large, flags=re.DOTALL)
    assert re.findall(r"s\d{4}", unfolded) == []
    assert "batch: Too few pairs." in unfolded
    assert "400 x series: " in large
    assert "simulated phantoms" in unfolded


def test_the_page_does_not_grow_with_the_batch() -> None:
    shown = [
        len(re.sub(r"<details>.*?</details>", "", _page(rows), flags=re.DOTALL).splitlines())
        for rows in (1, 400)
    ]
    assert shown[0] == shown[1]
