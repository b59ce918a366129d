"""Any folder is read: every file is in a series or listed with a code, and nothing escapes."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian, SecondaryCaptureImageStorage

from components.ingest_dicom.headers import Header, OtherFile
from components.ingest_dicom.read_header import read_header
from components.ingest_dicom.read_volume import read_volume
from components.ingest_dicom.scan import scan_folder, series_from_paths
from models.refusal import Code, RefusedError
from tests.dicom_factory import make_segmentation, make_series, series_uid


def _codes(folder: Path) -> list[str]:
    return sorted(other.code.value for other in scan_folder(folder).others)


def test_names_and_folders_mean_nothing(tmp_path: Path) -> None:
    make_series(tmp_path / "a", slices=3, names=["x", "report.txt", ".hidden"])
    make_series(tmp_path / "b" / "c", slices=2, series=2, names=["IM1", "IM2.jpg"])
    result = scan_folder(tmp_path)
    assert {series.series_instance_uid: len(series.files) for series in result.series} == {
        series_uid(1): 3,
        series_uid(2): 2,
    }
    assert result.others == []


def test_counts_add_up_over_a_mixed_folder(tmp_path: Path) -> None:
    make_series(tmp_path / "ct", slices=4)
    make_segmentation(tmp_path / "seg.dcm")
    (tmp_path / "notes.txt").write_text("not DICOM")
    (tmp_path / "empty.dcm").touch()
    make_series(tmp_path / "sc", slices=1, series=3, SOPClassUID=SecondaryCaptureImageStorage)
    result = scan_folder(tmp_path)
    assert result.file_count == 8
    assert _codes(tmp_path) == ["NOT_CT", "NOT_DICOM", "NOT_DICOM", "SECONDARY_CAPTURE"]
    assert [other.referenced_series for other in result.segmentations] == [(series_uid(1),)]


def test_empty_and_missing_folders_are_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(RefusedError) as caught:
            scan_folder(folder)
        assert caught.value.codes == (Code.EMPTY_INPUT,)


def test_loops_of_links_end_and_files_are_read_once(tmp_path: Path) -> None:
    make_series(tmp_path / "ct", slices=2)
    (tmp_path / "ct" / "loop").symlink_to(tmp_path)
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    result = scan_folder(tmp_path)
    assert [len(series.files) for series in result.series] == [2]
    assert [other.code for other in result.others] == [Code.FILE_UNREADABLE]


def test_a_file_without_permission_is_listed() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        paths = make_series(folder, slices=2)
        assert _codes(folder) == []  # and everything that reading imports is imported
        paths[0].chmod(0)
        root = os.geteuid() == 0  # root may read everything, so read as nobody
        if root:
            os.seteuid(65534)
        try:
            codes = _codes(folder)
        finally:
            if root:
                os.seteuid(0)
    assert codes == ["FILE_UNREADABLE"]


def test_a_file_that_cannot_be_opened_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_series(tmp_path, slices=1)[0]

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    found = read_header(path)
    assert isinstance(found, OtherFile)
    assert (found.code, found.found) == (Code.FILE_UNREADABLE, "cannot be read (Permission denied)")


def test_a_slice_cut_short_stays_in_its_series_and_is_refused(tmp_path: Path) -> None:
    path = make_series(tmp_path, slices=4)[1]
    path.write_bytes(path.read_bytes()[:-100])
    series = scan_folder(tmp_path).series[0]
    assert [header.truncated for header in series.files] == [False, True, False, False]
    with pytest.raises(RefusedError) as caught:
        read_volume(series)
    assert caught.value.codes == (Code.FILE_TRUNCATED,)


def test_a_file_cut_at_any_byte_is_read_or_listed(tmp_path: Path) -> None:
    whole = make_series(tmp_path / "whole", slices=1)[0].read_bytes()
    path = tmp_path / "cut.dcm"
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        found = read_header(path)
        if isinstance(found, Header):
            assert found.truncated, length
        else:
            assert found.code in (Code.NOT_DICOM, Code.FILE_TRUNCATED, Code.NOT_CT), length


def test_a_deflated_file_is_read_and_a_cut_one_listed(tmp_path: Path) -> None:
    path = make_series(tmp_path, slices=1, syntax=DeflatedExplicitVRLittleEndian)[0]
    assert isinstance(read_header(path), Header)
    path.write_bytes(path.read_bytes()[:-40])
    assert _codes(tmp_path) == ["FILE_TRUNCATED"]


def test_copies_are_listed_and_different_images_with_one_uid_stay(tmp_path: Path) -> None:
    paths = make_series(tmp_path, slices=3)
    shutil.copy(paths[0], tmp_path / "copy.dcm")
    twin = dcmread(paths[2])
    twin.SOPInstanceUID = dcmread(paths[1]).SOPInstanceUID
    twin.save_as(paths[2])
    result = scan_folder(tmp_path)
    assert [other.code for other in result.others] == [Code.FILE_COPY]
    assert len(result.series[0].files) == 3


def test_a_scout_inside_an_axial_series_is_taken_out(tmp_path: Path) -> None:
    make_series(tmp_path, slices=4, per_slice={3: {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}})
    result = scan_folder(tmp_path)
    assert len(result.series[0].files) == 3
    assert [other.code for other in result.others] == [Code.LOCALIZER]


def test_a_series_without_uid_is_one_series_per_folder(tmp_path: Path) -> None:
    for name in ("a", "b"):
        make_series(tmp_path / name, slices=2, SeriesInstanceUID="", origin_mm=(0, 0, float(len(name))))
    result = scan_folder(tmp_path)
    assert [len(series.files) for series in result.series] == [2, 2]


def test_an_empty_sop_class_is_taken_from_the_file_meta(tmp_path: Path) -> None:
    make_series(tmp_path, slices=2, SOPClassUID="")
    assert len(scan_folder(tmp_path).series[0].files) == 2


def test_multi_frame_is_listed_and_not_misread(tmp_path: Path) -> None:
    make_series(tmp_path, slices=1, NumberOfFrames=3)
    assert _codes(tmp_path) == ["ENHANCED_MULTIFRAME"]


def test_numbers_that_break_the_standard_are_still_numbers(tmp_path: Path) -> None:
    path = make_series(tmp_path, slices=1)[0]
    raw = path.read_bytes()
    dataset = dcmread(path)
    dataset.KVP = "120"
    dataset.save_as(path)
    raw = path.read_bytes().replace(b"DS\x04\x00120 ", b"DS\x0e\x0006.757812E+01 ")
    path.write_bytes(raw)
    header = read_header(path)
    assert isinstance(header, Header)
    assert header.kvp == pytest.approx(67.57812)


def test_series_from_paths_refuses_files_of_two_series(tmp_path: Path) -> None:
    paths = make_series(tmp_path / "a", slices=1) + make_series(tmp_path / "b", slices=1, series=2)
    with pytest.raises(RefusedError) as caught:
        series_from_paths(paths)
    assert caught.value.codes == (Code.MIXED_SERIES,)
