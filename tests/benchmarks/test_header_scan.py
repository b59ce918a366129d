"""The benchmark runs and writes its report; no time is judged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks import header_scan
from tests.benchmarks.header_scan import Images, copies, main
from tests.dicom_factory import make_segmentation, make_series


@pytest.fixture
def images(tmp_path: Path) -> Path:
    make_series(tmp_path / "images", slices=7)
    make_segmentation(tmp_path / "images" / "seg.dcm")
    (tmp_path / "images" / "text").write_text("not DICOM")
    return tmp_path / "images"


def test_only_single_frame_ct_images_are_copied_each_in_turn(tmp_path: Path, images: Path) -> None:
    chosen = Images.under(images)
    assert (len(chosen.paths), chosen.odd, chosen.left_out) == (7, 0, 2)
    paths = copies(tmp_path / "copies", 16, chosen.paths)
    assert [path.read_bytes() for path in paths[7:14]] == [path.read_bytes() for path in chosen.paths]
    assert len({path.stat().st_ino for path in paths}) == 16


def test_the_report_holds_all_times_and_their_ratios(
    tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(header_scan, "simulated", lambda _: make_series(tmp_path / "s", slices=3)[0].parent)
    arguments = ["--out", tmp_path / "r", "--dicom", images, "--files", 40, "--rounds", 3]
    monkeypatch.setattr("sys.argv", ["header_scan", *map(str, arguments)])
    assert main() == 0
    read = json.loads((tmp_path / "r" / "header_scan.json").read_text())
    assert list(read["cases"]) == ["images", "simulated patients"]
    assert read["machine"]["cpus"] >= 1
    for case in read["cases"].values():
        assert case["files"] == 40
        for name, ratios in case["ratios"].items():
            ours, theirs = case["seconds"]["osteogate"], case["seconds"][name]
            assert ratios == [their / our for their, our in zip(theirs, ours, strict=True)]
            assert case["ratio"][name] == sorted(ratios)[1]
    page = (tmp_path / "r" / "header_scan.md").read_text()
    assert "| images | 40 | 7 | 0 | pydicom |" in page
    assert str(tmp_path) not in page


def test_what_is_wrong_is_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text").write_text("not DICOM")
    monkeypatch.setattr("sys.argv", ["header_scan", "--out", str(tmp_path / "r"), "--dicom", str(tmp_path)])
    assert main() == 3
    assert capsys.readouterr().err.splitlines()[-1].endswith("no single-frame CT image in it")
    assert not (tmp_path / "r").exists()
