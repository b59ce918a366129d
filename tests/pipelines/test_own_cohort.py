"""Bringing one's own cohort: template and export."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from components.simulate_cohort.dataset import CohortError, open_site_cohort, read_card
from models.dxa_columns import DXA_COLUMNS
from pipelines.own_cohort import CohortTargetError, export_cohort, write_template


def _cohort(folder: Path) -> Path:
    (folder / "series" / "P1").mkdir(parents=True)
    (folder / "series" / "P1" / "a").write_bytes(b"dicom")
    (folder / "truth").mkdir()
    (folder / "truth" / "latents.csv").write_text("x\n")
    (folder / "dxa.csv").write_text("patient_id\n")
    (folder / "cohort.json").write_text(json.dumps({"schema_version": 1, "kind": "simulated", "patients": 1}))
    return folder


def test_the_template_has_the_documented_columns(tmp_path: Path) -> None:
    write_template(tmp_path / "mine")
    header = next(csv.reader((tmp_path / "mine" / "dxa.csv").open()))
    assert tuple(header) == DXA_COLUMNS
    assert read_card(tmp_path / "mine")["kind"] == "site"


def test_an_export_leaves_the_truth_behind_and_stays_marked(tmp_path: Path) -> None:
    count = export_cohort(_cohort(tmp_path / "data"), tmp_path / "out")
    assert count == 3
    assert not (tmp_path / "out" / "truth").exists()
    assert read_card(tmp_path / "out")["kind"] == "simulated"


def test_a_filled_folder_is_not_written_over(tmp_path: Path) -> None:
    data = _cohort(tmp_path / "data")
    with pytest.raises(CohortTargetError, match="not an empty folder"):
        export_cohort(data, data)
    with pytest.raises(CohortTargetError):
        write_template(data)


def test_the_version_of_a_site_cohort_follows_its_content(tmp_path: Path) -> None:
    data = _cohort(tmp_path / "data")
    before = open_site_cohort(data).version
    assert open_site_cohort(data).version == before
    (data / "series" / "P1" / "a").write_bytes(b"other")
    assert open_site_cohort(data).version != before


@pytest.mark.parametrize(
    ("card", "word"),
    [
        ("{", "not readable JSON"),
        ('{"schema_version": 2}', "schema_version"),
        ("[]", "schema_version"),
        ('{"schema_version": 1, "kind": "real"}', "accepted: simulated, site"),
    ],
)
def test_a_wrong_card_is_refused(tmp_path: Path, card: str, word: str) -> None:
    data = _cohort(tmp_path / "data")
    (data / "cohort.json").write_text(card)
    with pytest.raises(CohortError, match=word):
        read_card(data)
