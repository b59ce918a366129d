"""Reading many headers fast: the same values as pydicom gives, in order, whoever reads them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import sleep

import pytest
from pydicom import dcmread
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from components.ingest_dicom import read_headers
from components.ingest_dicom.header_tags import HEADER_TAGS
from components.ingest_dicom.headers import Header, OtherFile
from components.ingest_dicom.pydicom_header import read_by_pydicom
from components.ingest_dicom.read_header import quick_header, read_header
from tests.dicom_factory import make_segmentation, make_series


def _is_quick(path: Path) -> bool:
    return quick_header(path) is not None


def _assert_same(path: Path) -> None:
    # repr: NaN is no other NaN
    assert repr(read_header(path)) == repr(read_by_pydicom(path)), path.name


def test_tags_and_vrs_are_those_of_the_dictionary() -> None:
    for keyword, (tag, vr) in HEADER_TAGS.items():
        assert (tag_for_keyword(keyword), dictionary_VR(tag)) == (tag, vr), keyword


def _nested(depth: int) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodeMeaning = "T-1", "a meaning"
    if depth:
        item.ConceptCodeSequence = [_nested(depth - 1), Dataset()]
        item["ConceptCodeSequence"].is_undefined_length = True
        item.ConceptCodeSequence[0].is_undefined_length_sequence_item = True
    return item


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_an_ordinary_file_is_read_quickly_and_as_pydicom_reads_it(tmp_path: Path, syntax: str) -> None:
    path = make_series(
        tmp_path,
        slices=1,
        syntax=syntax,
        ProcedureCodeSequence=[_nested(3), _nested(0)],
        OtherPatientIDs=None,
    )[0]
    dataset = dcmread(path)
    dataset["ProcedureCodeSequence"].is_undefined_length = True
    dataset.add_new(0x00091001, "UN", bytes(40_000))  # private, and longer than what is read at first
    dataset.private_block(0x0009, "OSTEOGATE", create=True)
    dataset.save_as(path)
    assert _is_quick(path)
    _assert_same(path)


def test_what_is_not_ordinary_is_left_to_pydicom(tmp_path: Path) -> None:
    odd = [
        make_series(tmp_path / "deflated", slices=1, syntax=DeflatedExplicitVRLittleEndian)[0],
        make_series(
            tmp_path / "umlaut",
            slices=1,
            SpecificCharacterSet="ISO_IR 100",
            SeriesDescription="Becken nüchtern",
        )[0],
        make_segmentation(tmp_path / "seg.dcm"),
    ]
    unsorted = make_series(tmp_path / "unsorted", slices=1)[0]
    raw = unsorted.read_bytes()
    modality = raw.index(b"\x08\x00\x60\x00CS")
    moved = raw[:modality] + raw[modality + 10 :]
    at = moved.index(b"\xe0\x7f\x10\x00")
    unsorted.write_bytes(moved[:at] + raw[modality : modality + 10] + moved[at:])
    for path in (*odd, unsorted):
        assert not _is_quick(path), path
        _assert_same(path)


def test_a_file_cut_or_changed_at_any_byte_is_what_pydicom_says(tmp_path: Path) -> None:
    whole = make_series(tmp_path, slices=1, rows=4, columns=4, ProcedureCodeSequence=[_nested(1)])[
        0
    ].read_bytes()
    path = tmp_path / "odd.dcm"
    quick = count = 0
    for at in range(130, len(whole), 23):
        path.write_bytes(whole[:at])
        _assert_same(path)
        for value in (0x00, 0x31, 0x5C, 0xFF):
            path.write_bytes(whole[:at] + bytes([value]) + whole[at + 1 :])
            _assert_same(path)
            quick, count = quick + _is_quick(path), count + 1
    assert 0.3 * count < quick < 0.9 * count  # else one of the two has not been tried


def test_what_stands_before_the_file_meta_information_ends_it_for_pydicom_too(tmp_path: Path) -> None:
    path = make_series(tmp_path, slices=1)[0]
    raw = bytearray(path.read_bytes())
    raw[132] = 0  # (0002,0000) becomes (0000,0000)
    path.write_bytes(raw)
    assert not _is_quick(path)
    _assert_same(path)


@pytest.mark.real_ct
def test_every_real_header_has_the_same_values(real_data: Callable[[str], Path]) -> None:
    quick = count = 0
    for name in ("header_zoo", "philips_tilt_scout_secondary_capture", "siemens_biograph_j2k_t11_t12"):
        for path in sorted(item for item in real_data(name).rglob("*") if item.is_file()):
            _assert_same(path)
            quick, count = quick + _is_quick(path), count + 1
    assert quick >= 0.85 * count  # else nothing is gained


def _files(folder: Path, count: int) -> list[Path]:
    first = make_series(folder, slices=1)[0]
    (folder / "text").write_text("not DICOM")
    places = [folder / f"{number:05d}" for number in range(count)]
    for number, place in enumerate(places):
        os.link(first if number % 7 else folder / "text", place)
    return places


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Helpers from the tenth file on, with small chunks; what this process reads, which takes it long."""
    mine: list[Path] = []

    def slowly(path: Path) -> Header | OtherFile:
        sleep(0.02)
        mine.append(path)
        return read_header(path)

    monkeypatch.setattr(read_headers, "HELPERS_FROM", 10)
    monkeypatch.setattr(read_headers, "CHUNK", 3)
    monkeypatch.setattr(read_headers, "read_header", slowly)
    return mine


def test_helpers_give_the_same_in_the_same_order(tmp_path: Path, soon: list[Path]) -> None:
    paths = _files(tmp_path, 400)
    told: list[tuple[int, int]] = []
    three = read_headers.read_headers(paths, workers=3, progress=lambda *event: told.append(event))
    assert 0 < len(soon) < 400
    assert repr(three) == repr([read_header(path) for path in paths])
    assert [item.path for item in three] == paths
    assert told[-1] == (400, 400)
    assert [count for count, _ in told] == sorted(count for count, _ in told)


def test_a_helper_that_is_killed_takes_nothing_with_it(
    tmp_path: Path, soon: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = _files(tmp_path, 400)
    fill = read_headers._Helper.fill
    killed: list[int] = []

    def fill_and_kill(helper: read_headers._Helper, *rest: object) -> None:
        fill(helper, *rest)  # type: ignore[arg-type]
        if not killed and helper.given:
            helper.process.kill()
            killed.append(helper.process.pid)

    monkeypatch.setattr(read_headers._Helper, "fill", fill_and_kill)
    read = read_headers.read_headers(paths, workers=2)
    assert killed
    assert len(soon) >= 300  # by then it had read something at most
    assert [item.path for item in read] == paths


def test_a_helper_that_cannot_start_is_not_waited_for(
    tmp_path: Path, soon: list[Path], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(read_headers.sys, "executable", "/bin/false")
    paths = _files(tmp_path, 30)
    assert [item.path for item in read_headers.read_headers(paths, workers=2)] == paths
    assert len(soon) == 30
    assert capfd.readouterr().err == ""


def test_helpers_start_without_pydicom() -> None:
    said = "import sys, components.ingest_dicom.read_headers; print('pydicom' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", said], text=True) == "False\n"
