"""The benchmark runs and writes its report; no time is judged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks.header_scan import corpus, main, measure, write_report


@pytest.mark.long
def test_the_report_holds_all_times_and_their_ratios(tmp_path: Path) -> None:
    paths = corpus(tmp_path / "files", 120, None)
    assert len({path.read_bytes() for path in paths}) == 50
    write_report(measure(paths, rounds=3), tmp_path / "report")
    read = json.loads((tmp_path / "report" / "header_scan.json").read_text())
    assert read["files"] == 120
    for name, ratios in read["ratios"].items():
        ours, theirs = read["seconds"]["osteogate"], read["seconds"][name]
        assert ratios == [their / our for their, our in zip(theirs, ours, strict=True)]
        assert read["ratio"][name] == sorted(ratios)[1]
    assert "| pydicom |" in (tmp_path / "report" / "header_scan.md").read_text()


def test_what_is_wrong_is_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text").write_text("not DICOM")
    monkeypatch.setattr("sys.argv", ["header_scan", "--out", str(tmp_path / "r"), "--dicom", str(tmp_path)])
    assert main() == 3
    assert capsys.readouterr().err.splitlines()[-1].endswith("no DICOM file in it")
    assert not (tmp_path / "r").exists()
