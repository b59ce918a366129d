"""Decompression bombs at every door that opens a DICOM file: refused with a code, and no memory taken."""

from __future__ import annotations

import resource
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import encapsulate
from pydicom.fileset import FileSet
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from components.ingest_dicom import read_volume as reading
from components.ingest_dicom.deidentify.file import deidentify_file
from components.ingest_dicom.dicomdir import is_dicomdir, listed_files
from components.ingest_dicom.headers import OtherFile
from components.ingest_dicom.inspect_series import inspect_series
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import SIMULATED_KEY, Pseudonymiser
from components.ingest_dicom.read_header import read_header
from components.ingest_dicom.scan import scan_folder
from components.prepare_vertebrae.level_file import read_level_object
from models.refusal import Code, RefusedError
from tests.components.ingest_dicom.bombs import write_deflated_bomb
from tests.dicom_factory import make_segmentation, make_series

KILOBYTES = 150_000  # what may be taken: far less than a bomb holds, more than a busy interpreter needs


@contextmanager
def little_memory() -> Iterator[None]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < KILOBYTES


def test_deflated_header(tmp_path: Path) -> None:
    bomb = write_deflated_bomb(make_series(tmp_path / "s", slices=1)[0], tmp_path / "bomb")
    with little_memory():
        found = read_header(bomb)
    assert isinstance(found, OtherFile)
    assert found.code is Code.SIZE_IMPLAUSIBLE


def test_deflated_level_object(tmp_path: Path) -> None:
    bomb = write_deflated_bomb(make_segmentation(tmp_path / "seg.dcm"), tmp_path / "bomb")
    with little_memory(), pytest.raises(RefusedError) as caught:
        read_level_object(bomb)
    assert caught.value.codes == (Code.LEVELS_UNREADABLE,)


def test_deflated_original_of_a_copy(tmp_path: Path) -> None:
    bomb = write_deflated_bomb(make_series(tmp_path / "s", slices=1)[0], tmp_path / "bomb")
    with little_memory(), pytest.raises(RefusedError) as caught:
        deidentify_file(bomb, tmp_path / "copy", Pseudonymiser(SIMULATED_KEY))
    assert caught.value.codes == (Code.SIZE_IMPLAUSIBLE,)
    assert not (tmp_path / "copy").exists()


def test_deflated_dicomdir(tmp_path: Path) -> None:
    dataset = dcmread(make_series(tmp_path / "s", slices=1)[0])
    dataset.PatientName, dataset.StudyTime, dataset.StudyID, dataset.SeriesNumber = "X", "1200", "1", 1
    dataset.AccessionNumber = ""
    files = FileSet()
    files.add(dataset)
    files.write(tmp_path / "medium")
    bomb = write_deflated_bomb(tmp_path / "medium" / "DICOMDIR", tmp_path / "bomb")
    with little_memory():
        assert not is_dicomdir(bomb)
        with pytest.raises(ValueError, match="SizeImplausibleError"):
            listed_files(bomb)


# ------------------------------------------------------------------------------------------ compressed frames


def _encapsulated(folder: Path, syntax: str, streams: list[bytes], rows: int, columns: int) -> Path:
    """One CT image of these streams, or a legacy multi-frame object of them."""
    path = make_series(folder, slices=1)[0]
    dataset = dcmread(path)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.Rows, dataset.Columns = rows, columns
    if len(streams) > 1:
        _as_frames(dataset, len(streams))
    dataset.PixelData = encapsulate(streams)
    dataset["PixelData"].VR = "OB"
    dataset.save_as(path)
    return path


def _as_frames(dataset: FileDataset, count: int) -> None:
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2.2"
    dataset.NumberOfFrames = count
    groups = []
    for number in range(count):
        group, position = Dataset(), Dataset()
        position.ImagePositionPatient = [0, 0, float(number)]
        group.PlanePositionSequence = [position]
        groups.append(group)
    dataset.PerFrameFunctionalGroupsSequence = groups


def _codes(folder: Path) -> set[str]:
    series = scan_folder(folder).series
    assert len(series) == 1
    return set(inspect_series(series[0], Pseudonymiser(SIMULATED_KEY), IngestParams()).read_codes.split())


def _jpeg_2000(side: int) -> bytes:
    siz = struct.pack(">HH8LH", 41, 0, side, side, 0, 0, side, side, 0, 0, 1)
    return b"\xff\x4f\xff\x51" + siz + b"\x0f\x01\x01" + bytes(64) + b"\xff\xd9"


def _jpeg_ls(side: int) -> bytes:
    return (
        b"\xff\xd8\xff\xf7"
        + struct.pack(">HBHHB", 11, 16, side, side, 1)
        + b"\x01\x11\x00"
        + bytes(40)
        + b"\xff\xd9"
    )


@pytest.mark.parametrize(
    ("syntax", "stream"), [(JPEG2000Lossless, _jpeg_2000(1 << 30)), (JPEGLSLossless, _jpeg_ls(65535))]
)
@pytest.mark.parametrize("frames", [1, 3])
def test_a_stream_that_announces_another_size_never_reaches_its_decoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, syntax: str, stream: bytes, frames: int
) -> None:
    """In a single image, and in any frame of a multi-frame object."""
    decoded: list[object] = []
    monkeypatch.setattr(
        "components.ingest_dicom.pixels.iter_pixels", lambda *_, **__: decoded.append(1) or iter(())
    )
    monkeypatch.setattr(Dataset, "pixel_array", property(lambda _: decoded.append(1)))
    _encapsulated(tmp_path, syntax, [stream] * frames, 16, 16)
    with little_memory():
        assert "PIXELS_UNREADABLE" in _codes(tmp_path)
    assert decoded == []


def test_run_lengths_of_another_size_are_refused(tmp_path: Path) -> None:
    """RLE names no size: 64 bytes that repeat one value 128 times each, and a matrix of 16 million pixels."""
    header = struct.pack("<16L", 2, 64, 66, *[0] * 13)
    _encapsulated(tmp_path, RLELossless, [header + b"\x81\x00" * 2], 4096, 4096)
    with little_memory():
        assert _codes(tmp_path) == {"PIXELS_UNREADABLE"}


def test_blank_frames_by_the_hundred_are_no_volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """60 frames of 4096 x 4096 are 2 GB of HU; blank, each takes a few hundred bytes of the file."""
    made: list[object] = []
    plain = np.empty
    monkeypatch.setattr(
        reading.np, "empty", lambda shape, *a, **k: made.append(shape) or plain(shape, *a, **k)
    )
    path = _encapsulated(tmp_path, JPEG2000Lossless, [_jpeg_2000(4096)] * 60, 4096, 4096)
    assert path.stat().st_size < 50_000
    series = scan_folder(tmp_path).series[0]
    with little_memory(), pytest.raises(RefusedError) as caught:
        reading.read_volume(series)
    assert caught.value.codes == (Code.SIZE_IMPLAUSIBLE,)
    assert made == []
