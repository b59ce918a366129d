"""Files that no scanner writes: bombs, absurd sizes, nesting without end, values beyond what a column holds."""

from __future__ import annotations

import resource
import struct
import tempfile
import time
import zlib
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from components.ingest_dicom.codestream import StreamSize, stream_size
from components.ingest_dicom.contrast_words import contrast_words
from components.ingest_dicom.guarded_file import open_guarded
from components.ingest_dicom.headers import Header, OtherFile
from components.ingest_dicom.inspect_series import inspect_series
from components.ingest_dicom.level_files import find_level_file
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pixels import read_hu
from components.ingest_dicom.pseudonym import SIMULATED_KEY, Pseudonymiser
from components.ingest_dicom.read_header import read_header
from components.ingest_dicom.run import run
from components.ingest_dicom.scan import scan_folder
from components.ingest_dicom.series import CtSeries
from components.ingest_dicom.series_table import read_series_table, write_series_table
from components.validate_dicom.check_series import check_series
from components.validate_dicom.params import ValidateParams
from models.params import load_section
from models.refusal import Code, RefusedError
from tests.dicom_factory import make_series

ROOT = Path(__file__).resolve().parents[3]
UNDEFINED = 0xFFFFFFFF


def insert(path: Path, before: tuple[int, int], piece: bytes) -> None:
    """Put bytes before an element of an explicit little-endian file."""
    blob = path.read_bytes()
    at = blob.index(struct.pack("<HH", *before), 132)
    path.write_bytes(blob[:at] + piece + blob[at:])


def listed(path: Path) -> OtherFile:
    found = read_header(path)
    assert isinstance(found, OtherFile)
    return found


def row_of(folder: Path) -> CtSeries:
    return inspect_series(scan_folder(folder).series[0], Pseudonymiser(SIMULATED_KEY), IngestParams())


def refused_with(path: Path) -> Code:
    header = read_header(path)
    assert isinstance(header, Header)
    with pytest.raises(RefusedError) as caught:
        read_hu(header)
    return caught.value.codes[0]


# ------------------------------------------------------------------------------------------ size


def test_a_decompression_bomb_is_refused_before_it_goes_off(tmp_path: Path) -> None:
    """1 GB of zeros in about 1 MB: read as it is, it would take the machine's memory twice over."""
    path = make_series(tmp_path, slices=1, syntax=DeflatedExplicitVRLittleEndian)[0]
    raw = path.read_bytes()
    head = 144 + struct.unpack("<L", raw[140:144])[0]
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = (
        zlib.decompress(raw[head:], -zlib.MAX_WBITS) + b"\xff\x7f\x10\x00OB\0\0" + struct.pack("<L", 1 << 30)
    )
    bomb = squeeze.compress(body) + b"".join(squeeze.compress(bytes(1 << 20)) for _ in range(1024))
    path.write_bytes(raw[:head] + bomb + squeeze.flush())
    assert path.stat().st_size < 3 << 20
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    found = listed(path)
    assert found.code is Code.SIZE_IMPLAUSIBLE
    assert "256 MB" in found.found
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB
    assert time.process_time() - started < 5


def test_no_room_is_made_for_a_length_that_the_file_cannot_have(tmp_path: Path) -> None:
    """Python's own files make room for what is asked for: 1 TB here, 4 GB for an element of 0xFFFFFFFE bytes."""
    path = make_series(tmp_path, slices=1)[0]
    with open_guarded(path) as file:
        assert file.read(1 << 40) == path.read_bytes()
    with path.open("rb") as plain, pytest.raises(MemoryError):
        plain.read(1 << 60)


@pytest.mark.parametrize("matrix", [(65535, 65535), (65535, 300), (300, 65535)])
def test_absurd_rows_and_columns_are_refused_by_the_header(tmp_path: Path, matrix: tuple[int, int]) -> None:
    path = make_series(tmp_path, slices=1, Rows=matrix[0], Columns=matrix[1])[0]
    assert listed(path).code is Code.SIZE_IMPLAUSIBLE
    assert str(matrix[0]) in listed(path).found


def test_a_matrix_larger_than_its_pixels_is_refused(tmp_path: Path) -> None:
    assert refused_with(make_series(tmp_path, slices=1, Rows=4000, Columns=4000)[0]) is Code.PIXELS_UNREADABLE


def test_absurd_samples_are_refused_before_room_is_made_for_them(tmp_path: Path) -> None:
    path = make_series(tmp_path, slices=1)[0]
    dataset = dcmread(path)
    dataset.compress(RLELossless)
    dataset.SamplesPerPixel = 65535
    dataset.save_as(path)
    assert refused_with(path) is Code.PIXELS_UNREADABLE


def test_a_stream_of_another_size_than_declared_never_reaches_its_decoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_series(tmp_path, slices=1)[0]
    dataset = dcmread(path)
    siz = struct.pack(">HH8LH", 41, 0, 1 << 30, 1 << 30, 0, 0, 1 << 30, 1 << 30, 0, 0, 1)
    stream = b"\xff\x4f\xff\x51" + siz + bytes(64)
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    item = struct.pack("<HHL", 0xFFFE, 0xE000, 0) + struct.pack("<HHL", 0xFFFE, 0xE000, len(stream))
    dataset.PixelData = item + stream + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    dataset.save_as(path)

    def decoded(*_: object) -> None:
        raise AssertionError("a decoder was asked for 2^60 pixels")

    monkeypatch.setattr("pydicom.dataset.Dataset.convert_pixel_data", decoded)
    assert refused_with(path) is Code.PIXELS_UNREADABLE


def test_the_size_of_a_stream_is_read_from_its_own_header() -> None:
    # by hand after ISO/IEC 10918-1 B.2.2: SOI, a 4-byte APP0, SOF3 with 16 bits, 300 rows, 200 columns, 1 component
    jpeg = b"\xff\xd8" + b"\xff\xe0\x00\x04ab" + b"\xff\xc3\x00\x0b\x10" + struct.pack(">HHB", 300, 200, 1)
    assert stream_size(jpeg) == StreamSize(300, 200, 1)
    # ISO/IEC 15444-1 A.5.1: a reference grid of 210 x 310 with the image from (10, 10)
    siz = struct.pack(">HH8LH", 41, 0, 210, 310, 10, 10, 210, 310, 0, 0, 3)
    assert stream_size(b"\xff\x4f\xff\x51" + siz) == StreamSize(300, 200, 3)
    assert stream_size(b"\x01\0\0\0") is None
    assert stream_size(jpeg[:12]) is None


# ------------------------------------------------------------------------------------------ nesting


def test_sequences_without_end_are_refused(tmp_path: Path) -> None:
    """A cycle cannot be written down in DICOM: what a reader meets is the same sequence in itself, ever deeper."""
    path = make_series(tmp_path, slices=1)[0]
    level = (
        b"\x08\x00\x15\x11SQ\0\0"
        + struct.pack("<L", UNDEFINED)
        + struct.pack("<HHL", 0xFFFE, 0xE000, UNDEFINED)
    )
    insert(path, (0x0008, 0x1030), level * 20_000)
    assert listed(path).code is Code.NOT_DICOM


def test_sequences_without_end_behind_the_header_are_refused_with_the_pixels(tmp_path: Path) -> None:
    path = make_series(tmp_path, slices=1)[0]
    level = (
        b"\xe0\x7f\x11\x00SQ\0\0"
        + struct.pack("<L", UNDEFINED)
        + struct.pack("<HHL", 0xFFFE, 0xE000, UNDEFINED)
    )
    path.write_bytes(path.read_bytes() + level * 20_000)
    assert refused_with(path) is Code.PIXELS_UNREADABLE


# ------------------------------------------------------------------------------------------ values


def test_a_number_of_another_length_is_missing(tmp_path: Path) -> None:
    path = make_series(tmp_path, slices=1)[0]
    blob = path.read_bytes()
    at = blob.index(struct.pack("<HH", 0x0028, 0x0010) + b"US\x02\x00")
    path.write_bytes(blob[: at + 6] + struct.pack("<H", 3) + b"abc" + blob[at + 10 :])
    header = read_header(path)
    assert isinstance(header, Header)
    assert header.rows == 0
    assert row_of(tmp_path).read_codes == "PIXELS_UNREADABLE"


@pytest.mark.parametrize("text", ["1e300", "-5", "1e18", "nan"])
def test_rows_that_are_no_unsigned_short_are_missing_and_the_table_is_written(
    tmp_path: Path, text: str
) -> None:
    path = make_series(tmp_path / "ct", slices=1)[0]
    blob = path.read_bytes()
    at = blob.index(struct.pack("<HH", 0x0028, 0x0010) + b"US\x02\x00")
    path.write_bytes(blob[: at + 4] + b"DS" + struct.pack("<H", len(text)) + text.encode() + blob[at + 10 :])
    write_series_table([row_of(tmp_path / "ct")], tmp_path / "series.parquet")
    assert read_series_table(tmp_path / "series.parquet")["rows"].tolist() == [0]


@pytest.mark.parametrize("far", [1e6, 1e300, -1e308])
def test_a_position_beyond_any_table_is_no_position(tmp_path: Path, far: float) -> None:
    make_series(tmp_path, slices=3, per_slice={1: {"ImagePositionPatient": [f"{far:g}", "0", f"{far:g}"]}})
    assert row_of(tmp_path).read_codes == "ORIENTATION_MISSING"


@pytest.mark.parametrize("pixel_mm", ["1e4", "1e200", "1e-200"])
def test_absurd_pixel_spacing_asks_for_no_memory(tmp_path: Path, pixel_mm: str) -> None:
    """Looking for the aorta resamples the body: of kilometres there is no grid."""
    make_series(tmp_path, slices=4, PixelSpacing=[pixel_mm, pixel_mm])
    params = load_section(ROOT / "params.yaml", "validate", ValidateParams)
    verdict = check_series(pd.DataFrame([asdict(row_of(tmp_path))]), params)
    assert Code.PIXEL_SPACING_OUT_OF_RANGE in {refusal.code for refusal in verdict.refusals}


def test_an_endless_description_is_cut_and_searched_in_time(tmp_path: Path) -> None:
    path = make_series(tmp_path, slices=1, SeriesDescription=None)[0]
    text = b"NO" + b"-" * 60_000
    insert(path, (0x0010, 0x0020), b"\x08\x00\x3e\x10LO" + struct.pack("<H", len(text)) + text)
    header = read_header(path)
    assert isinstance(header, Header)
    started = time.process_time()
    contrast_words(header.series_description)
    assert time.process_time() - started < 0.5
    assert len(header.series_description) == 1024


def test_bytes_and_sequences_where_text_belongs_are_missing(tmp_path: Path) -> None:
    path = make_series(tmp_path, slices=1, PatientID=None)[0]
    insert(path, (0x0010, 0x0040), b"\x10\x00\x20\x00SQ\0\0" + struct.pack("<L", 0))
    insert(path, (0x0010, 0x1010), b"\x10\x00\x30\x00OB\0\0" + struct.pack("<L", 4) + b"1961")
    header = read_header(path)
    assert isinstance(header, Header)
    assert (header.patient_id, header.birth_date) == ("", "")


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(
        [(0x0010, 0x0020), (0x0020, 0x0032), (0x0028, 0x0010), (0x0018, 0x0060), (0x0008, 0x0008)]
    ),
    st.sampled_from(["LO", "DS", "IS", "US", "FD", "PN", "AT", "DA", "UI", "CS", "SL", "LT"]),
    st.binary(max_size=80),
)
def test_any_bytes_under_any_vr_are_a_header_or_a_code(tag: tuple[int, int], vr: str, value: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = make_series(Path(name), slices=1, rows=2, columns=2)[0]
        blob = path.read_bytes()
        written = struct.pack("<HH", *tag)
        at = blob.index(written, 132)
        end = at + 8 + struct.unpack("<H", blob[at + 6 : at + 8])[0]
        piece = written + vr.encode() + struct.pack("<H", len(value)) + value
        path.write_bytes(blob[:at] + piece + blob[end:])
        result = scan_folder(Path(name))
        assert result.file_count == 1
        for series in result.series:
            inspect_series(series, Pseudonymiser(SIMULATED_KEY), IngestParams())


# ------------------------------------------------------------------------------------------ names


def test_an_identifier_too_long_for_a_file_name_names_no_level_file(tmp_path: Path) -> None:
    (tmp_path / "levels").mkdir()
    for name in ("x" * 300, "é" * 125, "\0", "\ud800"):
        assert find_level_file(tmp_path, name, "") is None
    (tmp_path / "levels" / "P-1.csv").touch()
    assert find_level_file(tmp_path, "P-1", "1.2.3") == tmp_path / "levels" / "P-1.csv"


def test_file_names_that_are_not_utf8_are_ingested(tmp_path: Path) -> None:
    """Discs written with Latin-1 names: Python shows their bytes as lone surrogates."""
    paths = make_series(tmp_path / "data", slices=2)
    paths[0].rename(tmp_path / "data" / b"M\xfcller.dcm".decode(errors="surrogateescape"))
    (tmp_path / "data" / b"\xe9tude.txt".decode(errors="surrogateescape")).write_text("no DICOM")
    summary = run(
        data=tmp_path / "data", out=tmp_path / "out", key=SIMULATED_KEY, params=IngestParams(workers=1)
    )
    assert (summary.file_count, summary.series_file_count, summary.other_count) == (3, 2, 1)


def test_hashes_of_plain_names_are_what_they_were() -> None:
    # `printf patient:Müller | openssl dgst -sha256 -hmac osteogate-simulated-cohort-public-key`
    assert Pseudonymiser(SIMULATED_KEY).patient("Müller") == "91c1ac43ab20c256"
    assert np.unique([Pseudonymiser(SIMULATED_KEY).uid(name) for name in ("a", "b", "\udcff")]).size == 3
