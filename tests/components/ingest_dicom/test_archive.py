"""An archive as a source: every member is read or counted with a code, and nothing gets out of the scratch folder."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import subprocess
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from components.ingest_dicom.archive import _Meter
from components.ingest_dicom.archive_kind import archive_kind
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.scan import ScanResult, scan_folder
from components.ingest_dicom.scratch import ScratchError
from components.ingest_dicom.source import Source, open_source
from components.ingest_dicom.source_params import ArchiveLimits
from models.refusal import Code, RefusedError
from tests.dicom_factory import make_segmentation, make_series, series_uid

ROOMY = IngestParams()
SIX_SLICES = 6


def _scan(archive: Path, scratch: Path, params: IngestParams = ROOMY) -> ScanResult:
    with open_source(Source(str(archive)), scratch=scratch, params=params) as opened:
        found = opened.scan()
    assert list(scratch.iterdir()) == []
    return found


def _codes(found: ScanResult) -> Counter[Code]:
    return Counter(other.code for other in found.others)


def _refused(archive: Path, scratch: Path, params: IngestParams = ROOMY) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        _scan(archive, scratch, params)
    assert list(scratch.iterdir()) == []
    return caught.value


def _tar(path: Path, folder: Path, mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        tar.add(folder, arcname="study")
    return path


def _zip(path: Path, folder: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for item in sorted(folder.rglob("*")):
            file.write(item, item.relative_to(folder))
    return path


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "study"
    make_series(folder / "ct", slices=SIX_SLICES)
    make_segmentation(folder / "seg.dcm")
    (folder / "report.txt").write_text("not DICOM")
    return folder


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.bz2", "tar.xz"])
def test_each_kind_is_told_by_its_content_and_read_as_its_folder(
    study: Path, tmp_path: Path, kind: str
) -> None:
    archive = tmp_path / "anything.dcm"
    if kind == "zip":
        _zip(archive, study)
    else:
        _tar(archive, study, f"w:{kind.partition('.')[2]}")
    found, folder = _scan(archive, tmp_path / "scratch"), scan_folder(study)
    assert archive_kind(archive) == kind
    assert [series.series_instance_uid for series in found.series] == [series_uid(1)]
    assert len(found.series[0].files) == SIX_SLICES
    assert _codes(found) == _codes(folder) == {Code.NOT_CT: 1, Code.NOT_DICOM: 1}
    assert found.file_count == folder.file_count == SIX_SLICES + 2


def test_members_without_a_series_uid_are_one_series_per_folder_of_the_archive(tmp_path: Path) -> None:
    for number, name in enumerate(("a", "b")):
        make_series(tmp_path / "s" / name, slices=2, SeriesInstanceUID="", origin_mm=(0, 0, 9.0 * number))
    found = _scan(_tar(tmp_path / "s.tar", tmp_path / "s"), tmp_path / "scratch")
    assert [len(series.files) for series in found.series] == [2, 2]


def _member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def test_path_tricks_in_a_tar_are_coded_each_and_write_nothing(study: Path, tmp_path: Path) -> None:
    archive = _tar(tmp_path / "s.tar", study)
    with tarfile.open(archive, "a") as tar:
        content = (study / "ct" / "IM0001.dcm").read_bytes()
        for name in ("/etc/osteogate-evil", "../evil", "study/../../evil", "..\\evil", "C:/evil"):
            info = _member(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        tar.addfile(_member("study/link", tarfile.SYMTYPE, "/etc/passwd"))
        tar.addfile(_member("study/hard", tarfile.LNKTYPE, "study/ct/IM0001.dcm"))
        tar.addfile(_member("study/device", tarfile.CHRTYPE))
        tar.addfile(_member("study/pipe", tarfile.FIFOTYPE))
    before = {path for path in tmp_path.rglob("*") if "scratch" not in path.parts}
    found = _scan(archive, tmp_path / "scratch")
    assert _codes(found) == {Code.PATH_UNSAFE: 9, Code.NOT_CT: 1, Code.NOT_DICOM: 1}
    assert found.file_count == SIX_SLICES + 2 + 9
    assert {path for path in tmp_path.rglob("*") if "scratch" not in path.parts} == before
    assert not Path("/etc/osteogate-evil").exists()
    assert not any("evil" in other.found for other in found.others)  # a name may be a patient's


def test_path_tricks_in_a_zip_are_coded_each(study: Path, tmp_path: Path) -> None:
    archive = _zip(tmp_path / "s.zip", study)
    with zipfile.ZipFile(archive, "a") as file:
        for name in ("../evil", "/evil", "a/../../evil", "..\\evil"):
            file.writestr(name, b"x")
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        file.writestr(link, "/etc/passwd")
    found = _scan(archive, tmp_path / "scratch")
    assert _codes(found)[Code.PATH_UNSAFE] == 5
    assert found.file_count == SIX_SLICES + 2 + 5


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_bomb_is_refused_long_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """200 MB of zeros in 200 KB: refused when 100 times the archive's size is out, with a floor of 1 MB here."""
    monkeypatch.setattr("components.ingest_dicom.archive.RATIO_FROM_BYTES", 1 << 20)
    (tmp_path / "s").mkdir()
    with (tmp_path / "s" / "zeros").open("wb") as file:
        file.truncate(200_000_000)
    bomb = tmp_path / "bomb"
    _zip(bomb, tmp_path / "s") if kind == "zip" else _tar(bomb, tmp_path / "s", "w:gz")
    most = 0
    counted = _Meter.add

    def add(meter: _Meter, count: int) -> None:
        nonlocal most
        counted(meter, count)
        most = meter.members_bytes

    monkeypatch.setattr(_Meter, "add", add)
    refused = _refused(bomb, tmp_path / "scratch")
    assert refused.codes == (Code.ARCHIVE_TOO_LARGE,)
    assert "ingest.archive.ratio_max" in str(refused)
    assert most <= 100 * bomb.stat().st_size < 200_000_000


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
@pytest.mark.parametrize(
    ("limits", "key"),
    [
        ({"unpacked_gb_max": 2e-6}, "unpacked_gb_max"),
        ({"members_max": 3}, "members_max"),
    ],
)
def test_limits_hold_for_every_kind(
    study: Path, tmp_path: Path, kind: str, limits: dict[str, float], key: str
) -> None:
    archive = tmp_path / "s"
    _zip(archive, study) if kind == "zip" else _tar(archive, study, f"w:{kind.partition('.')[2]}")
    params = IngestParams(archive=ArchiveLimits.model_validate(limits))
    refused = _refused(archive, tmp_path / "scratch", params)
    assert refused.codes == (Code.ARCHIVE_TOO_LARGE,)
    assert f"ingest.archive.{key}" in str(refused)


def test_a_sparse_tar_member_counts_with_its_whole_length(tmp_path: Path) -> None:
    """A file of 10 MB with no block on disk is 10 KB in a GNU sparse tar."""
    hole = tmp_path / "hole"
    with hole.open("wb") as file:
        file.truncate(10_000_000)
    archive = tmp_path / "s.tar"
    subprocess.run(["tar", "--sparse", "-C", tmp_path, "-cf", archive, "hole"], check=True)
    assert archive.stat().st_size < 100_000
    limits = IngestParams(archive=ArchiveLimits(unpacked_gb_max=0.005))
    assert _refused(archive, tmp_path / "scratch", limits).codes == (Code.ARCHIVE_TOO_LARGE,)


def test_an_archive_inside_is_coded_and_not_opened(study: Path, tmp_path: Path) -> None:
    make_series(tmp_path / "inner", series=2)
    _zip(study / "inner.zip", tmp_path / "inner")
    _tar(study / "inner.dat", tmp_path / "inner", "w:gz")
    (study / "inner.7z").write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(64))
    found = _scan(_zip(tmp_path / "s.zip", study), tmp_path / "scratch")
    assert _codes(found) == {Code.ARCHIVE_NOT_OPENED: 3, Code.NOT_CT: 1, Code.NOT_DICOM: 1}
    assert len(found.series) == 1
    assert _codes(scan_folder(study)) == _codes(found)  # in a folder as well
    with pytest.raises(RefusedError) as caught:
        _scan(study / "inner.7z", tmp_path / "scratch")
    assert caught.value.codes == (Code.ARCHIVE_NOT_OPENED,)


def test_a_lone_compressed_file_is_no_archive(tmp_path: Path) -> None:
    path = tmp_path / "labels.nii.gz"
    path.write_bytes(gzip.compress(bytes(2000)))
    assert archive_kind(path) is None
    path.write_bytes(b"\x1f\x8b cut")
    assert archive_kind(path) is None


def _encrypt(archive: Path) -> None:
    """Set the flag bit 0 (encrypted) of every member, in the local and in the central headers."""
    raw = bytearray(archive.read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = raw.find(mark)
        while start >= 0:
            raw[start + at] |= 1
            start = raw.find(mark, start + 4)
    archive.write_bytes(raw)


def test_encrypted_members_are_coded_each(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    for number in range(3):
        (tmp_path / "s" / f"{number}.txt").write_text("secret")
    archive = _zip(tmp_path / "s.zip", tmp_path / "s")
    _encrypt(archive)
    found = _scan(archive, tmp_path / "scratch")
    assert _codes(found) == {Code.ARCHIVE_ENCRYPTED: 3}
    assert found.file_count == 3


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
    found = _scan(archive, tmp_path / "scratch")
    assert _codes(found) == {Code.ARCHIVE_DAMAGED: 1}
    assert found.file_count == SIX_SLICES


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_cut_anywhere_is_refused_whole(study: Path, tmp_path: Path, mode: str) -> None:
    whole = _tar(tmp_path / "whole", study, mode).read_bytes()
    cut = tmp_path / "cut"
    content_end = len(whole) if mode != "w" else len(whole.rstrip(b"\0"))
    for length in sorted({content_end * part // 9 for part in range(2, 9)} | {512 * 6, 512 * 9}):
        if length >= content_end:
            continue
        cut.write_bytes(whole[:length])
        if archive_kind(cut) is None:
            continue  # nothing of the first header is left
        assert _refused(cut, tmp_path / "scratch").codes == (Code.ARCHIVE_DAMAGED,), length


def test_a_tar_with_a_damaged_header_or_a_second_tar_behind_it_is_refused(
    study: Path, tmp_path: Path
) -> None:
    archive = _tar(tmp_path / "s.tar", study)
    whole = archive.read_bytes()
    with tarfile.open(archive) as tar:
        third = tar.getmembers()[3].offset
    damaged = bytearray(whole)
    damaged[third + 150] ^= 0xFF
    archive.write_bytes(damaged)
    assert _refused(archive, tmp_path / "scratch").codes == (Code.ARCHIVE_DAMAGED,)
    archive.write_bytes(whole + whole)
    assert _refused(archive, tmp_path / "scratch").codes == (Code.ARCHIVE_DAMAGED,)


def test_a_cut_zip_is_refused(study: Path, tmp_path: Path) -> None:
    archive = _zip(tmp_path / "s.zip", study)
    archive.write_bytes(archive.read_bytes()[:-30])
    assert _refused(archive, tmp_path / "scratch").codes == (Code.ARCHIVE_DAMAGED,)


def test_an_archive_without_files_is_empty(tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    for archive in (
        _tar(tmp_path / "s.tar", tmp_path / "nothing"),
        _zip(tmp_path / "s.zip", tmp_path / "nothing"),
    ):
        assert _refused(archive, tmp_path / "scratch").codes == (Code.EMPTY_INPUT,)


def test_a_full_disk_is_one_line_and_leaves_nothing(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = _zip(tmp_path / "s.zip", study)
    opened = Path.open

    def full(path: Path, mode: str = "r", *rest: object, **more: object) -> object:
        if "w" in mode and "scratch" in path.parts:
            raise OSError(28, "No space left on device")
        return opened(path, mode, *rest, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(ScratchError, match=r"No space left on device.*free disk space"):
        _scan(archive, tmp_path / "scratch")
    assert list((tmp_path / "scratch").iterdir()) == []


def test_what_a_killed_process_left_is_removed_later(study: Path, tmp_path: Path) -> None:
    left = tmp_path / "scratch" / "source-dead"
    left.mkdir(parents=True)
    (left / "image").write_bytes(b"x")
    os.utime(left, (0, 0))
    _scan(_zip(tmp_path / "s.zip", study), tmp_path / "scratch")
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
        archive = _tar(tmp_path / "real", folder, "w:gz")
    found, expected = _scan(archive, tmp_path / "scratch"), scan_folder(folder)
    assert found.file_count == expected.file_count
    assert _codes(found) == _codes(expected)
    assert [_facts(found, index) for index in range(len(found.series))] == [
        _facts(expected, index) for index in range(len(expected.series))
    ]


def _facts(found: ScanResult, index: int) -> list[tuple[object, ...]]:
    """All that the headers of a series say, places apart."""
    return sorted(
        (header.sop_instance_uid, str([getattr(header, name) for name in header.__slots__ if name != "path"]))
        for header in found.series[index].files
    )
