"""A de-identified copy of one file names nobody, says what was done, and keeps age, dates and references usable."""

from __future__ import annotations

import zlib
from collections.abc import Collection
from datetime import date
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicomanonymizer import simpledicomanonymizer
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

from components.ingest_dicom.deidentify import identifying, retained
from components.ingest_dicom.deidentify.deidentify import deidentify
from components.ingest_dicom.deidentify.file import deidentify_file
from components.ingest_dicom.deidentify.profile import action_for
from components.ingest_dicom.pseudonym import SIMULATED_KEY, Pseudonymiser
from models.refusal import Code, RefusedError
from tests.dicom_factory import make_series
from tests.planted_identifiers import (
    KEPT,
    NAME,
    PATIENT_ID,
    TEXT_VRS,
    UID,
    found_in,
    plant_everywhere,
    plant_person,
    write_in,
)

KEY = Pseudonymiser(b"the secret of these tests, 32 by")
OTHER = Pseudonymiser(b"the secret of another site, 32 b")


def planted_file(path: Path, **values: object) -> Path:
    (written,) = make_series(path.parent, slices=1, names=[path.name], **values)
    dataset = pydicom.dcmread(written)
    plant_person(dataset)
    assert plant_everywhere(dataset, KEPT) > 2500
    dataset.preamble = f"{NAME:<128}".encode()
    dataset.file_meta.SourceApplicationEntityTitle = "ZZQCODE_AE"
    dataset.file_meta.PrivateInformationCreatorUID, dataset.file_meta.PrivateInformation = UID, NAME.encode()
    dataset.save_as(path)
    return path


@pytest.mark.parametrize(
    "syntax",
    [
        "1.2.840.10008.1.2.1",
        pytest.param("1.2.840.10008.1.2", marks=pytest.mark.long),
        pytest.param("1.2.840.10008.1.2.2", marks=pytest.mark.long),
    ],
)
def test_no_byte_of_a_copy_names_whom_every_text_attribute_names(syntax: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    source = planted_file(tmp_path / "in" / "a.dcm", hu=77)
    dataset = pydicom.dcmread(source)
    planted_vrs = {element.VR for element in dataset}
    assert planted_vrs >= set(TEXT_VRS)
    write_in(syntax, source)
    assert found_in(tmp_path / "in"), "the search itself must find what was planted"
    deidentify_file(source, tmp_path / "out" / "a.dcm", KEY)
    assert found_in(tmp_path / "out") == []
    copied = pydicom.dcmread(tmp_path / "out" / "a.dcm")
    np.testing.assert_array_equal(copied.pixel_array, pydicom.dcmread(source).pixel_array)
    assert (copied.KVP, copied.ConvolutionKernel, copied.Manufacturer) == (120, "B30f", "SIEMENS")
    assert (copied.PatientAge, copied.PatientSex, copied.SliceThickness) == ("063Y", "F", 3.0)
    assert copied.SeriesDescription == "LWS"
    assert "StationName" not in copied  # it held the patient's name; the scanner's serial number did not
    assert simpledicomanonymizer.dictionary == {}, "no state outside of us"


def test_a_copy_says_what_was_done_to_it(tmp_path: Path) -> None:
    (source,) = make_series(tmp_path, slices=1)
    deidentify_file(source, tmp_path / "copy.dcm", KEY)
    copied = pydicom.dcmread(tmp_path / "copy.dcm")
    assert copied.PatientIdentityRemoved == "YES"
    assert copied.LongitudinalTemporalInformationModified == "MODIFIED"
    stated = [
        (item.CodeValue, item.CodingSchemeDesignator) for item in copied.DeidentificationMethodCodeSequence
    ]
    # PS3.16 CID 7050: basic profile; descriptors, modified dates, patient characteristics, device identity
    assert stated == [(code, "DCM") for code in ("113100", "113105", "113107", "113108", "113109")]
    assert all(len(value) <= 64 for value in copied.DeidentificationMethod)


def test_every_listed_attribute_is_one_of_the_standard() -> None:
    listed = {
        *retained.TECHNIQUE,
        *retained.DESCRIPTORS,
        *retained.DATES,
        *retained.SEQUENCES,
        *retained.PIXELS,
    }
    assert [
        name for name in {*listed, *identifying.NUMBERS_OF_A_PERSON} if tag_for_keyword(name) is None
    ] == []
    assert {dictionary_VR(name) for name in retained.SEQUENCES} == {"SQ"}
    assert {dictionary_VR(name) for name in retained.DATES} == {"DA", "DT"}


def test_what_the_profile_takes_stays_only_by_an_option_that_the_copy_states() -> None:
    """DICOM PS3.15 table E.1-1: columns of device identity (113109), descriptors (113105), dates (113107)."""

    def taken(keywords: Collection[str]) -> set[str]:
        tags = {keyword: Tag(keyword) for keyword in keywords}
        return {keyword for keyword, tag in tags.items() if action_for((tag.group, tag.element)) is not None}

    assert taken(retained.TECHNIQUE) == {"DetectorID", "DeviceSerialNumber", "GantryID", "StationName"}
    assert taken(retained.DESCRIPTORS) == {
        "ProtocolName", "ROIName", "SeriesDescription", "StructureSetLabel", "StudyDescription",
    }  # fmt: skip
    assert taken(retained.DATES) == retained.DATES
    # references, whose UIDs are replaced and whose items are cleaned like the object itself
    assert taken(retained.SEQUENCES) == {"ReferencedImageSequence", "SourceImageSequence"}
    assert taken(retained.PIXELS) == set()


def test_uids_are_valid_keyed_and_the_same_wherever_they_stand() -> None:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", UID
    reference = Dataset()
    reference.ReferencedSOPInstanceUID, reference.ReferencedSOPClassUID = UID, "1.2.840.10008.5.1.4.1.1.2"
    dataset.SourceImageSequence = [reference]
    dataset.PatientID = PATIENT_ID
    deidentify(dataset, KEY)
    new = dataset.SOPInstanceUID
    assert new.is_valid
    assert new.startswith("2.25.")
    assert len(new) <= 64
    assert dataset.SourceImageSequence[0].ReferencedSOPInstanceUID == new == KEY.new_uid(UID)
    assert (
        dataset.SourceImageSequence[0].ReferencedSOPClassUID
        == dataset.SOPClassUID
        == "1.2.840.10008.5.1.4.1.1.2"
    )
    assert OTHER.new_uid(UID) != new


@pytest.mark.parametrize(
    ("age", "birth", "kept"),
    [
        ("089Y", "", "089Y"), ("090Y", "", "090Y"), ("103Y", "", "090Y"), ("", "19300116", "093Y"),
        ("", "19600116", "063Y"), ("018M", "", "018M"), ("", "", None), ("000Y", "", None),
    ],
)  # fmt: skip
def test_age_is_kept_and_ends_at_90(age: str, birth: str, kept: str | None, tmp_path: Path) -> None:
    (source,) = make_series(tmp_path, slices=1, PatientAge=age, PatientBirthDate=birth)
    deidentify_file(source, tmp_path / "copy.dcm", KEY)
    copied = pydicom.dcmread(tmp_path / "copy.dcm")
    assert copied.get("PatientAge") == ("090Y" if kept == "093Y" else kept)
    assert copied.PatientBirthDate == ""


def test_dates_move_by_one_number_of_days_a_patient(tmp_path: Path) -> None:
    (source,) = make_series(
        tmp_path,
        slices=1,
        StudyDate="20240301",
        ContentDate="2024.02.28",
        AcquisitionDateTime="20240229101112.5+0100",
    )
    deidentify_file(source, tmp_path / "copy.dcm", KEY)
    copied = pydicom.dcmread(tmp_path / "copy.dcm")
    days = KEY.date_shift_days("TEST-001")
    assert -365 <= days <= -1
    assert (date.fromisoformat(copied.StudyDate) - date(2024, 3, 1)).days == days
    assert (date.fromisoformat(copied.ContentDate) - date(2024, 2, 28)).days == days
    assert (date.fromisoformat(copied.AcquisitionDateTime[:8]) - date(2024, 2, 29)).days == days
    assert copied.AcquisitionDateTime[8:] == "000000"
    shifts = {KEY.date_shift_days(f"P{number}") for number in range(2000)}
    assert min(shifts) == -365
    assert max(shifts) == -1
    assert Pseudonymiser(SIMULATED_KEY).date_shift_days("P1") == 0


@pytest.mark.parametrize("kept_share", [0.9, 0.5, 0.2])
@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_that_breaks_off_is_refused_and_never_made_whole(
    kept_share: float, compressed: bool, tmp_path: Path
) -> None:
    (source,) = make_series(tmp_path, slices=1, rows=128, columns=128)
    if compressed:
        dataset = pydicom.dcmread(source)
        dataset.compress(RLELossless)
        dataset.save_as(source)
    content = source.read_bytes()
    source.write_bytes(content[: int(len(content) * kept_share)])
    with pytest.raises(RefusedError) as refused:
        deidentify_file(source, tmp_path / "copy.dcm", KEY)
    assert refused.value.codes == (Code.FILE_TRUNCATED,)
    assert not (tmp_path / "copy.dcm").exists()


def test_a_deflated_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    (source,) = make_series(tmp_path, slices=1)
    dataset = pydicom.dcmread(source)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(source)
    content = source.read_bytes()
    start = len(content) - len(_deflated_part(content))
    inflated = zlib.decompress(content[start:], -zlib.MAX_WBITS)
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = squeeze.compress(inflated) + squeeze.compress(bytes(300 * 1024**2)) + squeeze.flush()
    source.write_bytes(content[:start] + bomb)
    with pytest.raises(RefusedError) as refused:
        deidentify_file(source, tmp_path / "copy.dcm", KEY)
    assert refused.value.codes == (Code.SIZE_IMPLAUSIBLE,)


def _deflated_part(content: bytes) -> bytes:
    """What follows the file meta information (its length is the first element's value, PS3.10 7.1)."""
    return content[144 + int.from_bytes(content[140:144], "little") :]
