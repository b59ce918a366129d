"""The benchmark of reading runs, compares equal volumes and writes its report; no time is judged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.errors import InputError
from tests.benchmarks import reading_speed
from tests.benchmarks.reading_speed import main, measure, write_phantom


def test_the_report_holds_both_times_and_their_ratio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = write_phantom(tmp_path / "own", slices=4, pixels=16)[0].parent
    monkeypatch.setattr(
        "sys.argv",
        ["reading_speed", "--out", str(tmp_path / "r"), "--slices", "6", "--pixels", "32", "--rounds", "3",
         "--series", str(own)],
    )  # fmt: skip
    assert main() == 0
    cases = json.loads((tmp_path / "r" / "reading_speed.json").read_text())["cases"]
    assert list(cases) == [
        "uncompressed", "RLELossless", "JPEGLosslessSV1", "JPEGLSLossless", "JPEG2000Lossless", "own",
    ]  # fmt: skip
    assert [case["slices"] for case in cases.values()] == [6, 2, 2, 2, 2, 4]
    for case in cases.values():
        both = zip(case["seconds"]["ours"], case["seconds"]["simpleitks"], strict=True)
        assert case["ratios"] == [theirs / ours for ours, theirs in both]
        assert sorted(case["ratios"])[1] == case["ratio"]
    page = (tmp_path / "r" / "reading_speed.md").read_text()
    assert "| uncompressed | 6 x 32 x 32 |" in page
    assert str(tmp_path) not in page


def test_volumes_that_differ_are_not_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_phantom(tmp_path / "s", slices=4, pixels=16)
    monkeypatch.setattr(reading_speed, "simpleitks", lambda folder: reading_speed.ours(folder) + 2)
    with pytest.raises(InputError, match="the two volumes differ"):
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


def test_a_folder_with_two_series_is_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_phantom(tmp_path / "one", slices=2, pixels=16)
    reading_speed.make_series(tmp_path / "two", slices=2, series=2)
    monkeypatch.setattr(
        "sys.argv", ["reading_speed", "--out", str(tmp_path / "r"), "--series", str(tmp_path)]
    )
    assert main() == 3
    assert "no single series that both read" in capsys.readouterr().err.splitlines()[-1]
