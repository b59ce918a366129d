"""The benchmark of reading runs, compares equal volumes and writes its report; no time is judged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks import reading_speed
from tests.benchmarks.reading_speed import main, measure, write_phantom


def test_the_report_holds_both_times_and_their_ratio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sys.argv",
        ["reading_speed", "--out", str(tmp_path / "r"), "--slices", "6", "--pixels", "32", "--rounds", "3"],
    )
    assert main() == 0
    result = json.loads((tmp_path / "r" / "reading_speed.json").read_text())
    assert (result["slices"], result["rows"], len(result["ratios"])) == (6, 32, 3)
    assert sorted(result["ratios"])[1] == result["ratio"]
    assert min(result["ours_s"], result["simpleitk_s"]) >= 0
    assert "| 6 x 32 x 32 |" in (tmp_path / "r" / "reading_speed.md").read_text()


def test_volumes_that_differ_are_not_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_phantom(tmp_path / "s", slices=4, pixels=16)
    monkeypatch.setattr(reading_speed, "simpleitks", lambda folder: reading_speed.ours(folder) + 2)
    with pytest.raises(ValueError, match="the two volumes differ"):
        measure(tmp_path / "s", rounds=1)


def test_a_folder_without_a_series_is_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "sys.argv", ["reading_speed", "--out", str(tmp_path / "r"), "--series", str(tmp_path)]
    )
    assert main() == 3
    assert "EMPTY_INPUT" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()
