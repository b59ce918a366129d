"""Archives that want out of their folder, or more room than there is: names, kinds, sizes and bombs."""

from __future__ import annotations

import gzip
import io
import subprocess
import tarfile
import time
import warnings
import zipfile
from pathlib import Path

import pytest

from components.ingest_dicom.archive import _Meter
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.source_params import ArchiveLimits
from models.refusal import Code
from tests.components.ingest_dicom.archives import (
    SIX_SLICES,
    codes,
    refused_archive,
    scan_archive,
    write_study,
    write_tar,
    write_zip,
)  # fmt: skip
from tests.dicom_factory import make_series


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return write_study(tmp_path / "study")


def _member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def test_path_tricks_in_a_tar_are_coded_each_and_write_nothing(study: Path, tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "s.tar", study)
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
    found = scan_archive(archive, tmp_path / "scratch")
    assert codes(found) == {Code.PATH_UNSAFE: 9, Code.NOT_CT: 1, Code.NOT_DICOM: 1}
    assert found.file_count == SIX_SLICES + 2 + 9
    assert {path for path in tmp_path.rglob("*") if "scratch" not in path.parts} == before
    assert not Path("/etc/osteogate-evil").exists()
    assert not any("evil" in other.found for other in found.others)  # a name may be a patient's


def test_path_tricks_in_a_zip_are_coded_each(study: Path, tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "s.zip", study)
    with zipfile.ZipFile(archive, "a") as file:
        for name in ("../evil", "/evil", "a/../../evil", "..\\evil"):
            file.writestr(name, b"x")
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        file.writestr(link, "/etc/passwd")
    found = scan_archive(archive, tmp_path / "scratch")
    assert codes(found)[Code.PATH_UNSAFE] == 5
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
    write_zip(bomb, tmp_path / "s") if kind == "zip" else write_tar(bomb, tmp_path / "s", "w:gz")
    most = 0
    counted = _Meter.add

    def add(meter: _Meter, count: int) -> None:
        nonlocal most
        counted(meter, count)
        most = meter.members_bytes

    monkeypatch.setattr(_Meter, "add", add)
    refused = refused_archive(bomb, tmp_path / "scratch")
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
    write_zip(archive, study) if kind == "zip" else write_tar(archive, study, f"w:{kind.partition('.')[2]}")
    params = IngestParams(archive=ArchiveLimits.model_validate(limits))
    refused = refused_archive(archive, tmp_path / "scratch", params)
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
    assert refused_archive(archive, tmp_path / "scratch", limits).codes == (Code.ARCHIVE_TOO_LARGE,)


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
    archive = write_zip(tmp_path / "s.zip", tmp_path / "s")
    _encrypt(archive)
    found = scan_archive(archive, tmp_path / "scratch")
    assert codes(found) == {Code.ARCHIVE_ENCRYPTED: 3}
    assert found.file_count == 3


ODD_NAMES = (
    "IM1",
    "IM1",
    "im1",
    "IM1/under",
    "a//b",
    "./c",
    "x" * 3000,
    "d/" * 300 + "f",
    "CON",
    "tab\tname",
    "\u202egpj",
)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_names_that_collide_or_that_no_disk_takes_are_each_read_once(tmp_path: Path, kind: str) -> None:
    """Twice the same, the same but for case, a file that is a folder too, longer than any file system allows."""
    images = [path.read_bytes() for path in make_series(tmp_path / "ct", slices=len(ODD_NAMES))]
    archive = tmp_path / "odd"
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a name is there twice
            for name, image in zip(ODD_NAMES, images, strict=True):
                file.writestr(name, image)
    else:
        with tarfile.open(archive, "w") as tar:
            for name, image in zip(ODD_NAMES, images, strict=True):
                info = _member(name)
                info.size = len(image)
                tar.addfile(info, io.BytesIO(image))
    found = scan_archive(archive, tmp_path / "scratch")
    assert [len(series.files) for series in found.series] == [len(ODD_NAMES)]
    assert len({header.sop_instance_uid for header in found.series[0].files}) == len(ODD_NAMES)
    assert found.others == []


def test_a_nul_in_a_members_name_ends_it_and_leads_nowhere(tmp_path: Path) -> None:
    image = make_series(tmp_path / "ct", slices=1)[0].read_bytes()
    archive = tmp_path / "nul.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("IM1#.evil", image)
        file.writestr("..#/evil", image)
    archive.write_bytes(archive.read_bytes().replace(b"#", b"\0"))
    found = scan_archive(archive, tmp_path / "scratch")
    assert found.file_count == 2
    assert codes(found) == {Code.PATH_UNSAFE: 1}
    assert not list(tmp_path.rglob("*evil*"))


def test_a_link_to_a_folder_is_not_followed_by_the_members_behind_it(tmp_path: Path) -> None:
    """The usual way out of a tar: a link `out` to /somewhere, then a file `out/evil`."""
    (tmp_path / "elsewhere").mkdir()
    image = make_series(tmp_path / "ct", slices=1)[0].read_bytes()
    archive = tmp_path / "link.tar"
    with tarfile.open(archive, "w") as tar:
        tar.addfile(_member("out", tarfile.SYMTYPE, str(tmp_path / "elsewhere")))
        info = _member("out/evil")
        info.size = len(image)
        tar.addfile(info, io.BytesIO(image))
    found = scan_archive(archive, tmp_path / "scratch")
    assert codes(found) == {Code.PATH_UNSAFE: 1}
    assert len(found.series[0].files) == 1
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_without_end_is_not_kept_in_memory(
    tmp_path: Path, kind: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name or an extended header of 60 MB in 60 kB: below every limit on members, for there is none yet."""
    info = _member("x", kind)
    info.size = 60 << 20
    archive = tmp_path / "header.tar.gz"
    with gzip.open(archive, "wb", 1) as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT))
        for _ in range(60):
            file.write(b"12 path=abc\n" * 87381)
    most = 0
    counted = _Meter.add_stream

    def add_stream(meter: _Meter, count: int) -> None:
        nonlocal most
        counted(meter, count)
        most = meter.stream_bytes

    monkeypatch.setattr(_Meter, "add_stream", add_stream)
    assert refused_archive(archive, tmp_path / "scratch").codes == (Code.ARCHIVE_DAMAGED,)
    assert most < 2 << 20


def test_a_directory_of_more_members_than_allowed_is_not_made_objects_of(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A zip of empty names: 50 bytes each in the file, and a kilobyte each in memory."""
    monkeypatch.setattr("components.ingest_dicom.archive.CHUNK", 1 << 12)
    made = []
    monkeypatch.setattr(zipfile.ZipInfo, "_decodeExtra", lambda *_: made.append(1))
    archive = tmp_path / "many.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for number in range(200):
            file.writestr(f"{number:05d}", b"")
    limits = IngestParams(archive=ArchiveLimits(members_max=10))
    refused = refused_archive(archive, tmp_path / "scratch", limits)
    assert refused.codes == (Code.ARCHIVE_TOO_LARGE,)
    assert "ingest.archive.members_max" in str(refused)
    assert made == []


@pytest.mark.parametrize(("name", "kind"), [("x", tarfile.REGTYPE), ("../x", tarfile.REGTYPE), ("x", b"Z")])
def test_a_member_longer_than_the_archive_is_not_waited_for(tmp_path: Path, name: str, kind: bytes) -> None:
    """A terabyte declared in ten kilobytes: skipping it block by block would take minutes."""
    info = _member(name, kind)
    info.size = 1 << 40
    archive = tmp_path / "long.tar"
    archive.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(10240))
    started = time.process_time()
    assert refused_archive(archive, tmp_path / "scratch").codes == (Code.ARCHIVE_DAMAGED,)
    assert time.process_time() - started < 2
