"""A DICOMDIR as a source: what it lists and lacks is coded, what it does not list is read all the same."""

from __future__ import annotations

import zipfile
from collections import Counter
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.fileset import FileSet
from pydicom.uid import ExplicitVRLittleEndian, MediaStorageDirectoryStorage

from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.scan import ScanResult, scan_folder
from components.ingest_dicom.source import Source, open_source
from models.refusal import Code
from tests.dicom_factory import make_series, series_uid


@pytest.fixture
def medium(tmp_path: Path) -> Path:
    """Five slices on a medium as pydicom writes one."""
    files = FileSet()
    for path in make_series(tmp_path / "loose", slices=5):
        dataset = dcmread(path)
        # what the records of a DICOMDIR must have (PS3.3 F.5)
        dataset.PatientName, dataset.StudyTime, dataset.StudyID, dataset.SeriesNumber = "X", "1200", "1", 1
        dataset.AccessionNumber = ""
        files.add(dataset)
    files.write(tmp_path / "medium")
    return tmp_path / "medium"


def _scan(place: Path, scratch: Path) -> ScanResult:
    with open_source(Source(str(place)), scratch=scratch, params=IngestParams()) as opened:
        return opened.scan()


def _images(medium: Path) -> list[Path]:
    return sorted(path for path in medium.rglob("*") if path.is_file() and path.name != "DICOMDIR")


def _codes(found: ScanResult) -> Counter[Code]:
    return Counter(other.code for other in found.others)


def test_the_file_and_its_folder_are_the_same_source(medium: Path, tmp_path: Path) -> None:
    for place in (medium, medium / "DICOMDIR"):
        found = _scan(place, tmp_path / "scratch")
        assert [len(series.files) for series in found.series] == [5]
        assert _codes(found) == {Code.NOT_CT: 1}  # the DICOMDIR itself
        assert found.file_count == 6


def test_listed_and_missing_is_coded_and_unlisted_is_read(medium: Path, tmp_path: Path) -> None:
    gone = _images(medium)[:2]
    for path in gone:
        path.unlink()
    make_series(medium / "extra", slices=3, series=2, study=2)
    found = _scan(medium / "DICOMDIR", tmp_path / "scratch")
    assert {series.series_instance_uid: len(series.files) for series in found.series} == {
        series_uid(1): 3,
        series_uid(2): 3,
    }
    assert _codes(found) == {Code.NOT_CT: 1, Code.DICOMDIR_FILE_MISSING: 2}
    assert found.file_count == 3 + 3 + 1 + 2
    assert len({other.path for other in found.others}) == 3


def test_a_copy_from_a_cd_in_lower_case_with_versions_lacks_nothing(medium: Path, tmp_path: Path) -> None:
    for path in _images(medium):
        path.rename(path.with_name(f"{path.name.lower()};1"))
    assert Code.DICOMDIR_FILE_MISSING not in _codes(_scan(medium, tmp_path / "scratch"))


def test_inside_a_zip_the_list_is_compared_with_the_members(medium: Path, tmp_path: Path) -> None:
    archive = tmp_path / "cd.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in [medium / "DICOMDIR", *_images(medium)[1:]]:
            file.write(path, Path("CD", path.relative_to(medium)))
    found = _scan(archive, tmp_path / "scratch")
    assert _codes(found) == {Code.NOT_CT: 1, Code.DICOMDIR_FILE_MISSING: 1}
    assert found.file_count == 1 + 4 + 1


def _write_directory(path: Path, *file_ids: list[str]) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID = "1.2.3", ExplicitVRLittleEndian
    directory = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    records = []
    for file_id in file_ids:
        record = Dataset()
        record.DirectoryRecordType, record.ReferencedFileID = "IMAGE", file_id
        records.append(record)
    directory.DirectoryRecordSequence = records
    directory.save_as(path, enforce_file_format=True)


def test_names_that_lead_out_of_the_folder_are_coded_and_not_followed(tmp_path: Path) -> None:
    make_series(tmp_path / "outside", slices=1, series=9, names=["IM1"])
    medium = tmp_path / "medium"
    make_series(medium, slices=1, names=["IM1"])
    outside = ["..", "outside", "IM1"]
    _write_directory(
        medium / "DICOMDIR", ["IM1"], outside, ["../outside/IM1"], [str(tmp_path / "outside/IM1")]
    )
    found = _scan(medium / "DICOMDIR", tmp_path / "scratch")
    assert [series.series_instance_uid for series in found.series] == [series_uid(1)]
    assert _codes(found) == {Code.NOT_CT: 1, Code.PATH_UNSAFE: 3}


def test_a_directory_cut_short_is_said_and_the_files_are_read(medium: Path) -> None:
    directory = medium / "DICOMDIR"
    whole = directory.read_bytes()
    for length in range(400, len(whole), len(whole) // 7):
        directory.write_bytes(whole[:length])
        found = scan_folder(medium)
        assert [len(series.files) for series in found.series] == [5], length
        assert found.others, length
