"""An archive as a source: every member is read or counted with a code, and nothing is left of it."""

from __future__ import annotations

import bz2
import gzip
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from components.ingest_dicom.archive_kind import archive_kind
from components.ingest_dicom.scan import ScanResult, scan_folder
from components.ingest_dicom.scratch import ScratchError
from models.refusal import Code, RefusedError
from tests.components.ingest_dicom.archives import (
    SIX_SLICES,
    codes,
    refused_archive,
    scan_archive,
    write_study,
    write_tar,
    write_zip,
)  # fmt: skip
from tests.dicom_factory import make_series, series_uid


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return write_study(tmp_path / "study")


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.bz2", "tar.xz"])
def test_each_kind_is_told_by_its_content_and_read_as_its_folder(
    study: Path, tmp_path: Path, kind: str
) -> None:
    archive = tmp_path / "anything.dcm"
    if kind == "zip":
        write_zip(archive, study)
    else:
        write_tar(archive, study, f"w:{kind.partition('.')[2]}")
    found, folder = scan_archive(archive, tmp_path / "scratch"), scan_folder(study)
    assert archive_kind(archive) == kind
    assert [series.series_instance_uid for series in found.series] == [series_uid(1)]
    assert len(found.series[0].files) == SIX_SLICES
    assert codes(found) == codes(folder) == {Code.NOT_CT: 1, Code.NOT_DICOM: 1}
    assert found.file_count == folder.file_count == SIX_SLICES + 2


def test_members_without_a_series_uid_are_one_series_per_folder_of_the_archive(tmp_path: Path) -> None:
    for number, name in enumerate(("a", "b")):
        make_series(tmp_path / "s" / name, slices=2, SeriesInstanceUID="", origin_mm=(0, 0, 9.0 * number))
    found = scan_archive(write_tar(tmp_path / "s.tar", tmp_path / "s"), tmp_path / "scratch")
    assert [len(series.files) for series in found.series] == [2, 2]


def test_an_archive_inside_is_coded_and_not_opened(study: Path, tmp_path: Path) -> None:
    make_series(tmp_path / "inner", series=2)
    write_zip(study / "inner.zip", tmp_path / "inner")
    write_tar(study / "inner.dat", tmp_path / "inner", "w:gz")
    (study / "inner.7z").write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(64))
    found = scan_archive(write_zip(tmp_path / "s.zip", study), tmp_path / "scratch")
    assert codes(found) == {Code.ARCHIVE_NOT_OPENED: 3, Code.NOT_CT: 1, Code.NOT_DICOM: 1}
    assert len(found.series) == 1
    assert codes(scan_folder(study)) == codes(found)  # in a folder as well
    with pytest.raises(RefusedError) as caught:
        scan_archive(study / "inner.7z", tmp_path / "scratch")
    assert caught.value.codes == (Code.ARCHIVE_NOT_OPENED,)


def test_a_lone_compressed_file_is_no_archive(tmp_path: Path) -> None:
    path = tmp_path / "labels.nii.gz"
    path.write_bytes(gzip.compress(bytes(2000)))
    assert archive_kind(path) is None
    path.write_bytes(b"\x1f\x8b cut")
    assert archive_kind(path) is None


def test_a_zip_member_with_a_broken_check_sum_is_coded_and_the_others_are_read(
    study: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "s.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        for path in sorted((study / "ct").iterdir()):
            file.write(path, path.name)
    raw = bytearray(archive.read_bytes())
    raw[600] ^= 0xFF  # inside the first image
    archive.write_bytes(raw)
    found = scan_archive(archive, tmp_path / "scratch")
    assert codes(found) == {Code.ARCHIVE_DAMAGED: 1}
    assert found.file_count == SIX_SLICES


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_cut_anywhere_is_refused_whole(study: Path, tmp_path: Path, mode: str) -> None:
    whole = write_tar(tmp_path / "whole", study, mode).read_bytes()
    cut = tmp_path / "cut"
    content_end = len(whole) if mode != "w" else len(whole.rstrip(b"\0"))
    for length in sorted({content_end * part // 9 for part in range(2, 9)} | {512 * 6, 512 * 9}):
        if length >= content_end:
            continue
        cut.write_bytes(whole[:length])
        if archive_kind(cut) is None:
            continue  # nothing of the first header is left
        assert refused_archive(cut, tmp_path / "scratch").codes == (Code.ARCHIVE_DAMAGED,), length


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_a_compressed_tar_with_a_broken_check_sum_is_refused_and_blames_no_disk(
    study: Path, tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    """That is an OSError, as a full disk's is; here it comes while the last member is written."""
    raw = bytearray(pack(write_tar(tmp_path / "whole", study).read_bytes().rstrip(b"\0")))
    raw[-6] ^= 0x55
    damaged = tmp_path / "damaged"
    damaged.write_bytes(raw)
    assert refused_archive(damaged, tmp_path / "scratch").codes == (Code.ARCHIVE_DAMAGED,)


def test_a_tar_with_a_damaged_header_or_a_second_tar_behind_it_is_refused(
    study: Path, tmp_path: Path
) -> None:
    archive = write_tar(tmp_path / "s.tar", study)
    whole = archive.read_bytes()
    with tarfile.open(archive) as tar:
        third = tar.getmembers()[3].offset
    damaged = bytearray(whole)
    damaged[third + 150] ^= 0xFF
    archive.write_bytes(damaged)
    assert refused_archive(archive, tmp_path / "scratch").codes == (Code.ARCHIVE_DAMAGED,)
    archive.write_bytes(whole + whole)
    assert refused_archive(archive, tmp_path / "scratch").codes == (Code.ARCHIVE_DAMAGED,)


def test_a_cut_zip_is_refused(study: Path, tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "s.zip", study)
    archive.write_bytes(archive.read_bytes()[:-30])
    assert refused_archive(archive, tmp_path / "scratch").codes == (Code.ARCHIVE_DAMAGED,)


def test_an_archive_without_files_is_empty(tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    for archive in (
        write_tar(tmp_path / "s.tar", tmp_path / "nothing"),
        write_zip(tmp_path / "s.zip", tmp_path / "nothing"),
    ):
        assert refused_archive(archive, tmp_path / "scratch").codes == (Code.EMPTY_INPUT,)


def test_a_full_disk_is_one_line_and_leaves_nothing(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = write_zip(tmp_path / "s.zip", study)
    opened = Path.open

    def full(path: Path, mode: str = "r", *rest: object, **more: object) -> object:
        if "w" in mode and "scratch" in path.parts:
            raise OSError(28, "No space left on device")
        return opened(path, mode, *rest, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(ScratchError, match=r"No space left on device.*free disk space"):
        scan_archive(archive, tmp_path / "scratch")
    assert list((tmp_path / "scratch").iterdir()) == []


def test_what_a_killed_process_left_is_removed_later(study: Path, tmp_path: Path) -> None:
    left = tmp_path / "scratch" / "source-dead"
    left.mkdir(parents=True)
    (left / "image").write_bytes(b"x")
    os.utime(left, (0, 0))
    scan_archive(write_zip(tmp_path / "s.zip", study), tmp_path / "scratch")
    assert not left.exists()


@pytest.mark.real_ct
@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
@pytest.mark.parametrize("name", ["ge_discovery_ls_lumbar", "philips_tilt_scout_secondary_capture"])
def test_a_real_study_is_read_from_an_archive_as_from_its_folder(
    real_data: Callable[[str], Path], tmp_path: Path, kind: str, name: str
) -> None:
    folder = real_data(name)
    if kind == "zip":
        archive = Path(shutil.make_archive(str(tmp_path / "real"), "zip", folder))
    else:
        archive = write_tar(tmp_path / "real", folder, "w:gz")
    found, expected = scan_archive(archive, tmp_path / "scratch"), scan_folder(folder)
    assert found.file_count == expected.file_count
    assert codes(found) == codes(expected)
    assert [_facts(found, index) for index in range(len(found.series))] == [
        _facts(expected, index) for index in range(len(expected.series))
    ]


def _facts(found: ScanResult, index: int) -> list[tuple[object, ...]]:
    """All that the headers of a series say, places apart."""
    return sorted(
        (header.sop_instance_uid, str([getattr(header, name) for name in header.__slots__ if name != "path"]))
        for header in found.series[index].files
    )
