"""Where else a name can stand: bytes that call themselves numbers, values nobody reads, behind the image, beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.tag import Tag
from pydicom.uid import JPEGLSLossless, UID_dictionary

from components.ingest_dicom.deidentify.file import deidentify_file
from components.ingest_dicom.headers import Header
from components.ingest_dicom.pseudonym import Pseudonymiser
from components.ingest_dicom.read_header import read_header
from tests.components.prepare_vertebrae.level_objects import write_rtstruct
from tests.dicom_factory import make_series
from tests.planted_identifiers import NAME, UID, found_in, plant_person

KEY = Pseudonymiser(b"the secret of these tests, 32 by")
LONG = ("a scanner's own words " * 60 + NAME).encode()


def copy_of(source: Path, tmp_path: Path) -> Dataset:
    (tmp_path / "out").mkdir(exist_ok=True)
    deidentify_file(source, tmp_path / "out" / "copy.dcm", KEY)
    assert found_in(tmp_path / "out") == []
    return pydicom.dcmread(tmp_path / "out" / "copy.dcm")


@pytest.mark.parametrize(
    ("keyword", "vr", "value"),
    [
        ("StationName", "SH", LONG),  # behind what a reader of headers looks at
        ("ImageType", "CS", b"ORIGINAL\\PRIMARY\\" + LONG),
        ("StationName", "OB", NAME.encode()),
        ("StationName", "US", NAME.encode()),
        ("StationName", "SQ", NAME.encode()),
        ("InstitutionName", "OW", NAME.encode()),
        ("PatientName", "FD", NAME.encode()),
        ("RevolutionTime", "FD", NAME.encode()),
        ("RevolutionTime", "FD", f"{NAME}  ! ".encode()),  # 16 bytes, two whole numbers where one may stand
        ("ExposureInmAs", "UT", NAME.encode()),
        ("PixelPaddingValue", "US", NAME.encode()),
        ("ExposureTime", "IS", NAME.encode()),
        ("SliceThickness", "DS", f"3.0\\{NAME}".encode()),
        ("SOPInstanceUID", "LO", f"{NAME}.1.2".encode()),
        ("ReferencedImageSequence", "LO", NAME.encode()),
    ],
)
def test_a_name_in_a_value_that_is_not_what_it_says(
    keyword: str, vr: str, value: bytes, tmp_path: Path
) -> None:
    (source,) = make_series(tmp_path, slices=1)
    dataset = pydicom.dcmread(source)
    plant_person(dataset)
    value += b" " * (len(value) % 2)
    dataset[keyword] = RawDataElement(Tag(keyword), vr, len(value), value, 0, False, True)
    dataset.save_as(source)
    assert NAME.encode() in source.read_bytes()
    if keyword == "SOPInstanceUID":
        assert copy_of(source, tmp_path).SOPInstanceUID == KEY.new_uid(f"{NAME}.1.2")
        return
    assert copy_of(source, tmp_path).pixel_array.shape == (16, 16)


def test_overlays_curves_icons_documents_and_waveforms_go(tmp_path: Path) -> None:
    (source,) = make_series(tmp_path, slices=1)
    dataset = pydicom.dcmread(source)
    plant_person(dataset)
    words = NAME.encode().ljust(32)
    for group in (0x6000, 0x601E, 0x5000):
        dataset.add_new((group, 0x3000), "OW", words)
        dataset.add_new((group, 0x4000), "LT", NAME)
        dataset.add_new((group, 0x0022), "LO", NAME)
    icon = Dataset()
    icon.add_new("PixelData", "OW", words)
    dataset.IconImageSequence = [icon]
    for keyword in ("EncapsulatedDocument", "ICCProfile", "DataSetTrailingPadding", "MAC"):
        dataset.add_new(keyword, "OB", words)
    dataset.add_new((0x0009, 0x0010), "LO", NAME)
    dataset.add_new((0x0009, 0x1001), "UN", words)
    dataset.save_as(source)
    copied = copy_of(source, tmp_path)
    assert not [tag for tag in copied.keys() if tag.is_private or tag.group >> 8 in (0x50, 0x60)]  # noqa: SIM118
    assert "IconImageSequence" not in copied


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99"])
@pytest.mark.parametrize(
    "appended",
    [NAME.encode(), NAME.encode() * 50, b"\0" * 512, b"\xff" * 64, b"\xfc\xff\xfc\xffOB\0\0" + b"x" * 9],
)
def test_what_is_appended_to_a_file_goes_and_the_image_stays(
    syntax: str, appended: bytes, tmp_path: Path
) -> None:
    (source,) = make_series(tmp_path, slices=1, hu=77, syntax=syntax)
    source.write_bytes(source.read_bytes() + appended)
    copied = copy_of(source, tmp_path)
    assert int(copied.pixel_array.max()) == 77 + 1024
    assert list(copied.keys())[-1] == Tag("PixelData")


def test_what_is_appended_to_pixel_data_goes(tmp_path: Path) -> None:
    (source,) = make_series(tmp_path, slices=1, hu=77)
    dataset = pydicom.dcmread(source)
    dataset.PixelData += NAME.encode()
    dataset.save_as(source)
    copied = copy_of(source, tmp_path)
    assert len(copied.PixelData) == 16 * 16 * 2
    assert int(copied.pixel_array.min()) == 77 + 1024


def test_what_is_appended_to_a_compressed_frame_goes(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    image = rng.integers(-1000, 1000, (1, 64, 64)).astype(np.int16)
    (source,) = make_series(tmp_path, slices=1, rows=64, columns=64, hu=image)
    dataset = pydicom.dcmread(source)
    dataset.compress(JPEGLSLossless, encoding_plugin="pyjpegls")
    (frame,) = generate_frames(dataset.PixelData, number_of_frames=1)
    dataset.PixelData = encapsulate([frame + NAME.encode() + b"  "])
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(source)
    assert NAME.encode() in source.read_bytes()
    np.testing.assert_array_equal(copy_of(source, tmp_path).pixel_array, image[0] + 1024)


@pytest.mark.parametrize("name", ["李^明", "Yamada^Tarou=山田^太郎=やまだ^たろう", "홍^길동"])
def test_a_name_of_few_signs_is_found_where_no_blank_parts_words(name: str, tmp_path: Path) -> None:
    kept = {"GantryID": "滤波反投影"}
    (source,) = make_series(tmp_path, slices=1, SpecificCharacterSet="ISO_IR 192", PatientName=name, **kept)
    dataset = pydicom.dcmread(source)
    parts = [part for part in name.replace("=", "^").split("^") if not part.isascii()]
    dataset.StationName = f"头部{parts[0]}检查"
    dataset.FilterType = parts[-1]
    dataset.save_as(source)
    copied = copy_of(source, tmp_path)
    assert not any(part.encode() in (tmp_path / "out" / "copy.dcm").read_bytes() for part in parts)
    assert copied.GantryID == kept["GantryID"]


def test_a_kind_of_image_keeps_its_places(tmp_path: Path) -> None:
    kind = ["DERIVED", "PRIMARY", "PERFUSION", NAME, "RCBF"]
    (source,) = make_series(tmp_path, slices=1, ImageType=kind, PatientName=f"Perfusion^{NAME}")
    assert list(copy_of(source, tmp_path).ImageType) == [
        "DERIVED",
        "PRIMARY",
        "PERFUSION",
        "WITHHELD",
        "RCBF",
    ]


def test_long_contours_and_lists_of_uids_are_kept_whole(tmp_path: Path) -> None:
    points = np.round(np.random.default_rng(2).normal(0, 100, (900, 3)), 3)
    path = write_rtstruct(tmp_path / "rt.dcm", {"L1": [("CLOSED_PLANAR", points)]}, series_uid=UID)
    dataset = pydicom.dcmread(path)
    uids = [f"1.2.276.0.99.1234567890.{number}" for number in range(60)]
    dataset.StructureSetROISequence[0].ReferencedFrameOfReferenceUID = uids
    dataset.save_as(path)
    copied = copy_of(path, tmp_path)
    contour = copied.ROIContourSequence[0].ContourSequence[0]
    np.testing.assert_allclose(np.reshape(contour.ContourData, (-1, 3)), points, atol=1e-9)
    assert list(copied.StructureSetROISequence[0].ReferencedFrameOfReferenceUID) == list(
        map(KEY.new_uid, uids)
    )


def test_a_class_that_was_emptied_is_taken_from_the_file_meta_information(tmp_path: Path) -> None:
    (source,) = make_series(tmp_path, slices=1)
    dataset = pydicom.dcmread(source)
    instance = dataset.SOPInstanceUID
    dataset.SOPClassUID = dataset.SOPInstanceUID = ""
    dataset.save_as(source)
    copied = copy_of(source, tmp_path)
    assert copied.SOPClassUID == copied.file_meta.MediaStorageSOPClassUID == "1.2.840.10008.5.1.4.1.1.2"
    assert copied.SOPInstanceUID == KEY.new_uid(instance)


@pytest.mark.real_ct
@pytest.mark.parametrize(
    "archive", ["header_zoo", "siemens_biograph_j2k_t11_t12", "ge_tilt_variable_spacing"]
)
def test_of_real_files_only_who_when_and_free_words_change(
    archive: str, real_data: Callable[[str], Path], tmp_path: Path
) -> None:
    free = {"study_description", "series_description", "protocol_name", "contrast_agent", "birth_date"}
    when = {"study_date", "acquisition_date", "age_text"}
    who = {name.name for name in fields(Header) if name.name.endswith("_uid")} - {"transfer_syntax_uid"}
    compared = 0
    files = [path for path in sorted(real_data(archive).rglob("*")) if path.is_file()]
    for path in files if archive == "header_zoo" else files[:4]:
        before = read_header(path)
        if not isinstance(before, Header):
            continue
        copied = copy_of(path, tmp_path)
        after = read_header(tmp_path / "out" / "copy.dcm")
        assert isinstance(after, Header), path.name
        for field in fields(Header):
            if field.name not in {*free, *when, *who, "path", "patient_id", "frames"}:
                assert repr(getattr(after, field.name)) == repr(getattr(before, field.name)), path.name
        assert (after.age_text == before.age_text) or before.age_text == "000Y"
        if before.sop_class_uid in UID_dictionary:
            assert after.sop_class_uid == before.sop_class_uid
        assert bool(after.contrast_agent) == bool(before.contrast_agent)
        np.testing.assert_array_equal(copied.pixel_array, pydicom.dcmread(path).pixel_array)
        compared += 1
    assert compared >= 2
