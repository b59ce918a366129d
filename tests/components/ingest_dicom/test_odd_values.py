"""What real headers hold: numbers that break the standard, absent kernels, other alphabets, wrong signs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import JPEG2000Lossless

from components.ingest_dicom.headers import Header, OtherFile
from components.ingest_dicom.inspect_series import inspect_series
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import SIMULATED_KEY, Pseudonymiser
from components.ingest_dicom.pydicom_header import read_by_pydicom
from components.ingest_dicom.read_header import read_header
from components.ingest_dicom.read_volume import read_volume
from components.ingest_dicom.scan import scan_folder
from components.ingest_dicom.series import CtSeries
from models.refusal import Code, RefusedError
from tests.dicom_factory import make_series


def _row(folder: Path) -> CtSeries:
    return inspect_series(scan_folder(folder).series[0], Pseudonymiser(SIMULATED_KEY), IngestParams())


def test_padded_and_exponential_numbers_are_numbers(tmp_path: Path) -> None:
    make_series(
        tmp_path,
        slices=2,
        KVP="000120",
        PixelSpacing=["06.757812E-01", "06.757812E-01"],
        RescaleSlope="000001",
        RescaleIntercept="-01.02400E+3",
    )
    volume = read_volume(scan_folder(tmp_path).series[0])
    assert volume.spacing_mm == pytest.approx((3.0, 0.6757812, 0.6757812))
    assert (volume.hu == 40).all()
    assert _row(tmp_path).kvp == 120.0


@pytest.mark.parametrize("text", [b"12O ", b"1,2 ", b"nan ", b"inf ", b"0x78", b"1.2."])
def test_what_is_no_number_is_missing_and_never_guessed(tmp_path: Path, text: bytes) -> None:
    path = make_series(tmp_path, slices=1, KVP="120")[0]
    path.write_bytes(
        path.read_bytes().replace(b"\x18\x00\x60\x00DS\x04\x00120 ", b"\x18\x00\x60\x00DS\x04\x00" + text)
    )
    header = read_header(path)
    assert isinstance(header, Header)
    assert math.isnan(header.kvp)


def test_a_slope_that_is_no_number_is_refused(tmp_path: Path) -> None:
    path = make_series(tmp_path, slices=1, RescaleSlope="1.0")[0]
    path.write_bytes(
        path.read_bytes().replace(b"\x28\x00\x53\x10DS\x04\x001.0 ", b"\x28\x00\x53\x10DS\x04\x001,0 ")
    )
    with pytest.raises(RefusedError) as caught:
        read_volume(scan_folder(tmp_path).series[0])
    assert caught.value.codes == (Code.RESCALE_MISSING,)


@pytest.mark.parametrize("unit", ["MGML", "HU_MOD", "Z_EFF"])
def test_values_of_another_unit_are_no_hu(tmp_path: Path, unit: str) -> None:
    make_series(tmp_path, slices=2, RescaleType=unit)
    row = _row(tmp_path)
    assert (row.has_rescale, row.read_codes) == (False, "RESCALE_MISSING")


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        (None, ("", "unknown")),
        ("", ("", "unknown")),
        (["Br40d", "3"], ("Br40d\\3", "soft")),
        (["Br64d", "3"], ("Br64d\\3", "sharp")),
    ],
)
def test_a_kernel_may_be_missing_or_have_several_values(
    tmp_path: Path, kernel: object, expected: tuple[str, str]
) -> None:
    make_series(tmp_path, slices=2, ConvolutionKernel=kernel)
    row = _row(tmp_path)
    assert (row.kernel, row.kernel_class) == expected


@pytest.mark.parametrize(
    ("character_set", "description", "words"),
    [
        ("ISO_IR 100", "Abdomen venös 5.0", "VENOS"),
        ("ISO_IR 192", "Abdomen venös 5.0", "VENOS"),
        (["", "ISO 2022 IR 87"], "腹部造影", "造影"),
        (["", "ISO 2022 IR 87"], "腹部単純", ""),
        ("GB18030", "腹部增强", "增强"),
        ("GB18030", "腹部平扫", ""),
        (["", "ISO 2022 IR 149"], "복부 조영", "조영"),
    ],
)
def test_descriptions_are_read_in_their_own_character_set(
    tmp_path: Path, character_set: object, description: str, words: str
) -> None:
    make_series(tmp_path, slices=2, SpecificCharacterSet=character_set, SeriesDescription=description)
    assert scan_folder(tmp_path).series[0].files[0].series_description == description
    assert _row(tmp_path).contrast_words == words


@pytest.mark.parametrize("declared", ["ISO_IR 192", "ISO_IR 999"])
def test_a_wrong_or_unknown_character_set_loses_letters_not_the_file(tmp_path: Path, declared: str) -> None:
    paths = make_series(tmp_path, slices=2, SpecificCharacterSet="ISO_IR 100", SeriesDescription="Rücken 2.0")
    for path in paths:
        path.write_bytes(path.read_bytes().replace(b"ISO_IR 100", declared.encode()))
    row = _row(tmp_path)
    assert (row.slice_count, row.kvp, row.read_codes) == (2, 120.0, "")


@pytest.mark.parametrize(
    ("signed", "vr", "padding"), [(True, "US", 63536), (False, "SS", -2000), (True, "SS", -2000)]
)
def test_padding_is_found_whatever_sign_it_was_written_with(
    tmp_path: Path, signed: bool, vr: str, padding: int
) -> None:
    # -2000 as 16 bits is 63536 (65536 - 2000), whichever of the two the writer thought of
    # unsigned: slope -0.05 brings 63536 below air (-3177 HU), and 40 next to water
    path = make_series(
        tmp_path, slices=1, intercept=0, signed=signed, RescaleSlope="1" if signed else "-0.05"
    )[0]
    dataset = dcmread(path)
    stored = np.full((16, 16), 40, "<i2")
    stored[0] = -2000
    dataset.PixelData = stored.tobytes()
    dataset.add_new("PixelPaddingValue", vr, padding)
    dataset.add_new("PixelPaddingRangeLimit", vr, padding)
    dataset.save_as(path)
    hu = read_volume(scan_folder(tmp_path).series[0]).hu[0]
    assert (hu[0] == -1024).all()
    assert (hu[1:] == (40 if signed else -2)).all()


def test_a_negative_padding_value_of_unsigned_pixels_wipes_out_its_own_pixels_only(tmp_path: Path) -> None:
    # stored 63536 is the padding; with intercept -64600 it would read -1064, and 64640 reads 40
    path = make_series(tmp_path, slices=1, hu=40, intercept=-64600)[0]
    dataset = dcmread(path)
    stored = np.full((16, 16), 64640, "<u2")
    stored[0], stored[1] = 63536, 63600  # the second is -1000 HU: air, not padding
    dataset.PixelData = stored.tobytes()
    dataset.add_new("PixelPaddingValue", "SS", -2000)
    dataset.save_as(path)
    hu = read_volume(scan_folder(tmp_path).series[0]).hu[0]
    assert [int(value) for value in hu[:3, 0]] == [-1024, -1000, 40]


@pytest.mark.parametrize("stream_signed", [False, True])
def test_the_jpeg_2000_stream_knows_its_own_sign(tmp_path: Path, stream_signed: bool) -> None:
    hu = np.random.default_rng(2).integers(-1000, 1500, (1, 40, 40)).astype(np.int16)
    intercept = 0 if stream_signed else -1024
    path = make_series(
        tmp_path, slices=1, rows=40, columns=40, hu=hu, intercept=intercept, signed=stream_signed
    )[0]
    dataset = dcmread(path)
    dataset.compress(JPEG2000Lossless, generate_instance_uid=False)
    dataset.PixelRepresentation = int(not stream_signed)
    dataset.save_as(path)
    np.testing.assert_array_equal(read_volume(scan_folder(tmp_path).series[0]).hu, hu)


def test_a_frame_of_reference_for_every_slice_is_counted_and_does_not_move_a_slice(tmp_path: Path) -> None:
    own = {number: {"FrameOfReferenceUID": f"1.2.3.{number}"} for number in range(8)}
    make_series(tmp_path, slices=8, per_slice=own)
    volume = read_volume(scan_folder(tmp_path).series[0])
    np.testing.assert_allclose(volume.affine[:3, 0], [0, 0, 3.0])
    assert _row(tmp_path).mixed_count == 7  # MIXED_SERIES in validation


@pytest.mark.parametrize(
    ("odd", "finding"),
    [
        ({"KVP": "80"}, {"mixed_count": 3, "kvp": 120.0}),
        ({"ConvolutionKernel": "B70f"}, {"mixed_count": 3, "kernel": "B30f", "kernel_class": "soft"}),
        ({"KVP": None}, {"mixed_count": 0, "kvp": 120.0}),  # what is not declared contradicts nothing
        ({"ConvolutionKernel": ""}, {"mixed_count": 0, "kernel": "B30f"}),
        ({"ImageType": ["DERIVED", "SECONDARY", "MPR"]}, {"image_class": "reformat"}),
        ({"ImageType": ["DERIVED", "PRIMARY", "AXIAL", "VNC"]}, {"image_class": "virtual_non_contrast"}),
        ({"SeriesDescription": "ARTERIAL 3.0"}, {"contrast_words": "ARTERIAL"}),
        ({"SeriesDescription": "MonoE 70"}, {"image_class": "monoenergetic", "image_class_basis": "words"}),
        ({"Manufacturer": "Philips"}, {"vendor": "Siemens"}),
    ],
)
def test_a_few_slices_of_another_kind_are_found_wherever_they_lie(
    tmp_path: Path, odd: dict[str, Any], finding: dict[str, Any]
) -> None:
    usual = {"Manufacturer": "SIEMENS", "KVP": "120", "ConvolutionKernel": "B30f"}
    rows = []
    for place in (0, 5):  # first by name, or in the middle
        own = {place + number: odd for number in range(3)}
        make_series(tmp_path / str(place), slices=12, per_slice=own, **usual)
        rows.append(_row(tmp_path / str(place)))
        assert {name: getattr(rows[-1], name) for name in finding} == finding
    assert repr(rows[0]) == repr(rows[1])


@pytest.mark.parametrize(
    ("declared_mm", "agrees"),
    [
        ("2.954", True),  # along the normal, as the standard says: 3 mm x cos 10 degrees
        ("3", True),  # along the table, as Philips writes
        ("5", False),
    ],
)
def test_spacing_of_a_tilted_stack_may_be_declared_along_the_table(
    tmp_path: Path, declared_mm: str, agrees: bool
) -> None:
    make_series(tmp_path, slices=12, tilt_deg=10.0, SpacingBetweenSlices=declared_mm)
    row = _row(tmp_path)
    assert row.slice_spacing_mm == pytest.approx(2.954, abs=0.001)
    assert (abs(row.declared_spacing_mm - row.slice_spacing_mm) < 0.01) is agrees


def test_an_oblique_stack_has_its_own_axes(tmp_path: Path) -> None:
    turn = math.radians(15.0)
    row, column = [math.cos(turn), math.sin(turn), 0.0], [-math.sin(turn), math.cos(turn), 0.0]
    lean = math.radians(25.0)  # then leaned about the row direction
    column = [math.cos(lean) * value for value in column[:2]] + [math.sin(lean)]
    normal = np.cross(row, column)
    places = {k: {"ImagePositionPatient": [round(float(v), 6) for v in 3.0 * k * normal]} for k in range(6)}
    make_series(tmp_path, slices=6, per_slice=places, ImageOrientationPatient=[*row, *column])
    volume = read_volume(scan_folder(tmp_path).series[0])
    np.testing.assert_allclose(volume.index_to_lps([2, 0, 10]), 6.0 * normal + 8.0 * np.array(row), atol=1e-4)
    np.testing.assert_allclose(volume.index_to_lps([0, 10, 0]), 8.0 * np.array(column), atol=1e-4)
    assert _row(tmp_path).tilt_deg == pytest.approx(25.0, abs=0.01)


def test_a_character_set_that_is_no_text_is_left_to_pydicom(tmp_path: Path) -> None:
    """Found by the fuzz: the quick reader took the file, and pydicom, which reads its pixels, does not."""
    path = make_series(tmp_path, slices=1, SpecificCharacterSet="ISO_IR 100")[0]
    raw = path.read_bytes()
    at = raw.index(b"\x08\x00\x05\x00CS", 132)
    path.write_bytes(raw[: at + 4] + b"FD" + raw[at + 6 :])
    found = read_header(path)
    assert read_by_pydicom(path) == found
    assert isinstance(found, OtherFile)
    assert found.code is Code.NOT_DICOM
