"""A de-identified copy names nobody, and still is the same scan of the same scanner."""

from __future__ import annotations

import csv
import gzip
import json
from datetime import date
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pydicom
import pytest
from dicomanonymizer import simpledicomanonymizer
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import JPEG2000Lossless

from components.ingest_dicom.contrast_words import contrast_words
from components.ingest_dicom.deidentify import identifying, retained
from components.ingest_dicom.deidentify.codestream import without_comments
from components.ingest_dicom.deidentify.deidentify import deidentify
from components.ingest_dicom.deidentify.file import deidentify_file
from components.ingest_dicom.deidentify.journal import OtherWorkError
from components.ingest_dicom.deidentify.run import (
    MANIFEST,
    CopyTargetError,
    CopyWriteError,
    deidentify_folder,
)
from components.ingest_dicom.deidentify.vocabulary import clean_descriptor
from components.ingest_dicom.image_class import image_class
from components.ingest_dicom.pseudonym import SIMULATED_KEY, Pseudonymiser
from components.ingest_dicom.read_volume import read_volume
from components.ingest_dicom.scan import scan_folder
from components.validate_dicom.dxa_table import read_dxa_table
from models.dxa_columns import DXA_COLUMNS
from models.refusal import Code, RefusedError
from tests.command_line import EXAM
from tests.dicom_factory import make_segmentation, make_series
from tests.planted_identifiers import (
    GIVEN,
    NAME,
    PATIENT_ID,
    TEXT_VRS,
    UID,
    found_in,
    plant_everywhere,
    plant_person,
)

KEY = Pseudonymiser(b"the secret of these tests, 32 by")
OTHER = Pseudonymiser(b"the secret of another site, 32 b")
# planted by `plant_person`, or what an image cannot be without
KEPT = frozenset(
    keyword
    for keyword in (*retained.TECHNIQUE, *retained.DATES, *retained.PIXELS)
    if tag_for_keyword(keyword) is not None
) | {"PatientAge", "PatientSex"}


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
    if syntax != dataset.file_meta.TransferSyntaxUID:
        again = Dataset()  # pydicom converts no data set that was read in the other byte order
        for element in dataset:
            again.add(element)
        if syntax.endswith(".2.2"):
            again.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
        again.file_meta, again.preamble = dataset.file_meta, dataset.preamble
        again.file_meta.TransferSyntaxUID = syntax
        again.save_as(source, enforce_file_format=True)
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


def secondary_capture(dataset: Dataset) -> None:
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"


def burned_in(dataset: Dataset) -> None:
    dataset.BurnedInAnnotation = "YES"


def screen_save(dataset: Dataset) -> None:
    dataset.ImageType = ["DERIVED", "SECONDARY", "SCREEN SAVE"]


def overlay_in_pixels(dataset: Dataset) -> None:
    dataset.add_new((0x6000, 0x0102), "US", 12)


def report(dataset: Dataset) -> None:
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.67"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (secondary_capture, Code.SECONDARY_CAPTURE), (burned_in, Code.BURNED_IN_TEXT),
        (screen_save, Code.SECONDARY_CAPTURE), (overlay_in_pixels, Code.BURNED_IN_TEXT), (report, Code.NOT_CT),
    ],
)  # fmt: skip
def test_what_may_show_a_name_in_its_pixels_is_refused(change, code: Code, tmp_path: Path) -> None:
    (source,) = make_series(tmp_path, slices=1)
    dataset = pydicom.dcmread(source)
    change(dataset)
    dataset.save_as(source)
    with pytest.raises(RefusedError) as refused:
        deidentify_file(source, tmp_path / "copy.dcm", KEY)
    assert refused.value.codes == (code,)
    assert not (tmp_path / "copy.dcm").exists()


def test_ingest_leaves_burned_in_text_out_of_the_series(tmp_path: Path) -> None:
    make_series(
        tmp_path, slices=3, per_slice={1: {"BurnedInAnnotation": "YES"}, 2: {"BurnedInAnnotation": "NO"}}
    )
    scan = scan_folder(tmp_path)
    assert [other.code for other in scan.others] == [Code.BURNED_IN_TEXT]
    assert len(scan.series[0].files) == 2


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("LWS 3.0 B30f", "LWS"), ("Abdomen Frau Zimmerman", "Abdomen"), ("vertebrae_L1", "vertebrae_L1"),
        ("L1-L4 bodies", "L1-L4 bodies"), ("NON Meier CONTRAST", "CONTRAST"), ("W CONT Meier 02 03 47", "W CONT"),
        ("1947-03-02", ""), ("CONTRASTMEIER", "CONTRAST"), ("Monoenergetic 70 keV Meier", "Monoenergetic keV"),
    ],
)  # fmt: skip
def test_of_a_description_only_words_of_radiology_stay(text: str, cleaned: str) -> None:
    assert clean_descriptor(text) == cleaned


@pytest.mark.real_ct
def test_real_descriptions_say_the_same_of_contrast_and_image(real_data) -> None:
    file = next(real_data("ct_series_catalogue").glob("*.csv.gz"))
    with gzip.open(file, "rt", encoding="utf-8") as stream:
        table = pd.read_csv(stream)
    texts = sorted(
        {str(text) for text in pd.concat([table["SeriesDescription"], table["StudyDescription"]]).dropna()}
    )
    assert len(texts) > 1000
    changed = [
        text
        for text in texts
        for cleaned in [clean_descriptor(text)]
        if bool(contrast_words(cleaned)) != bool(contrast_words(text))
        or image_class((), cleaned.upper()) != image_class((), text.upper())
    ]
    assert changed == []
    # a surname that the archive's own anonymiser let through
    assert any("ZIMMERMAN" in text.upper() for text in texts)
    assert not any("ZIMMERMAN" in clean_descriptor(text).upper() for text in texts)


def test_comments_inside_a_codestream_are_blanked() -> None:
    comment = b"\xff\x64" + (4 + len(NAME)).to_bytes(2, "big") + b"\x00\x01" + NAME.encode()
    stream = b"\xff\x4f\xff\x51\x00\x04ab" + comment + b"\xff\x90\x00\x0aimage" + NAME.encode()
    cleaned = without_comments(stream)
    assert len(cleaned) == len(stream)
    assert NAME.encode() not in cleaned[: stream.index(b"\xff\x90")]
    assert cleaned.endswith(NAME.encode()), "the image's own bytes are left alone"
    jpeg = b"\xff\xd8\xff\xfe" + (2 + len(NAME)).to_bytes(2, "big") + NAME.encode() + b"\xff\xda\x00\x02data"
    assert NAME.encode() not in without_comments(jpeg)
    assert without_comments(b"no codestream") == b"no codestream"


def test_a_comment_in_compressed_pixels_of_a_file_goes(tmp_path: Path) -> None:
    (source,) = make_series(tmp_path, slices=1, rows=128, columns=128)
    dataset = pydicom.dcmread(source)
    dataset.compress(JPEG2000Lossless, encoding_plugin="pylibjpeg")
    image = dataset.pixel_array
    (fragment,) = generate_frames(dataset.PixelData, number_of_frames=1)
    size = 2 + int.from_bytes(fragment[4:6], "big")
    comment = b"\xff\x64" + (4 + len(NAME)).to_bytes(2, "big") + b"\x00\x01" + NAME.encode()
    dataset.PixelData = encapsulate([fragment[: 2 + size] + comment + fragment[2 + size :]])
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(source)
    assert NAME.encode() in source.read_bytes()
    deidentify_file(source, tmp_path / "copy.dcm", KEY)
    assert NAME.encode() not in (tmp_path / "copy.dcm").read_bytes()
    np.testing.assert_array_equal(pydicom.dcmread(tmp_path / "copy.dcm").pixel_array, image)


# ------------------------------------------------------------------------------------------ a cohort


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    folder = tmp_path / "cohort"
    for number, patient in enumerate((PATIENT_ID, "SECOND"), start=1):
        files = make_series(
            folder / "series" / f"{NAME}{number}",
            slices=4,
            series=number,
            study=number,
            patient_id=patient,
            hu=number,
        )
        for file in files:
            dataset = pydicom.dcmread(file)
            plant_person(dataset)
            dataset.PatientID = patient
            dataset.save_as(file)
    make_segmentation(folder / "series" / "seg.dcm", series=2, study=2)
    (folder / "series" / f"letter to {NAME}.txt").write_text(f"Dear {NAME}")
    (folder / f"{NAME}.xlsx").write_bytes(b"a list of patients")
    (folder / "cohort.json").write_text(json.dumps({"schema_version": 1, "kind": "site", "contact": NAME}))
    (folder / "levels").mkdir()
    (folder / "levels" / f"{PATIENT_ID}.csv").write_text(
        f"level,x_mm,y_mm,z_mm,reader\nL1,1,2.5,-3,{NAME}\n{NAME},0,0,0,x\n"
    )
    image = nibabel.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.diag([1.0, 2.0, 3.0, 1.0]))
    image.header["descrip"] = f"{NAME} {GIVEN}"
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", NAME.encode()))
    nibabel.save(image, folder / "levels" / "1.2.826.0.1.3680043.10.1234.2.2.nii.gz")
    with (folder / "dxa.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, DXA_COLUMNS)
        writer.writeheader()
        writer.writerow({**EXAM, "patient_id": PATIENT_ID, "age_years": "94.2", "device": f"Hologic {NAME}"})
        writer.writerow(
            {**EXAM, "patient_id": "SECOND", "exam_date": NAME, "bmd_l1_g_cm2": NAME, "sex": NAME}
        )
    return folder


def test_a_cohort_is_copied_whole_and_names_nobody(cohort: Path, tmp_path: Path) -> None:
    out = tmp_path / "copies" / "out"
    summary = deidentify_folder(cohort, out, KEY, identity=tmp_path / "identity" / "list.json")
    assert found_in(tmp_path / "copies") == []
    assert found_in(tmp_path / "identity"), "what was whose is known at the site"
    assert summary.files_read == sum(path.is_file() for path in cohort.rglob("*"))
    assert summary.files_read == summary.dicom_copied + summary.tables_copied + summary.files_refused
    assert summary.refused_by_code == {"NOT_DICOM": 1, "NOT_KEPT_IN_COPY": 1}
    assert (summary.dicom_copied, summary.tables_copied, summary.series) == (9, 4, 3)
    document = json.loads((out / MANIFEST).read_text())
    assert document["counts"]["files_read"] == summary.files_read
    assert len(document["refused"]) == 2
    assert json.loads((out / "cohort.json").read_text()) == {
        "schema_version": 1, "kind": "site", "deidentified_with_key": KEY.key_id,
    }  # fmt: skip


def test_in_a_copied_cohort_levels_exams_and_images_still_belong_together(
    cohort: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    deidentify_folder(cohort, out, KEY)
    before, after = scan_folder(cohort / "series"), scan_folder(out / "series")
    by_uid = {series.series_instance_uid: series for series in after.series}
    for series in before.series:
        copied = by_uid[KEY.new_uid(series.series_instance_uid)]
        np.testing.assert_array_equal(read_volume(copied).hu, read_volume(series).hu)
        np.testing.assert_array_equal(read_volume(copied).affine, read_volume(series).affine)
    (segmentation,) = after.segmentations
    assert segmentation.referenced_series == (KEY.new_uid(before.series[1].series_instance_uid),)
    first = KEY.new_patient_id(PATIENT_ID)
    assert (out / "levels" / f"{first}.csv").read_text().splitlines() == [
        "level,x_mm,y_mm,z_mm", "L1,1,2.5,-3", "withheld,0,0,0",
    ]  # fmt: skip
    label_map = nibabel.load(
        out / "levels" / f"{by_uid[segmentation.referenced_series[0]].series_instance_uid}.nii.gz"
    )
    np.testing.assert_array_equal(label_map.affine, np.diag([1.0, 2.0, 3.0, 1.0]))
    np.testing.assert_array_equal(np.asarray(label_map.dataobj).ravel(), np.arange(24))
    # the pipeline's own reading: one hash a patient, from the originals as from the copies; days stay
    originals, copies = (read_dxa_table(folder / "dxa.csv", KEY) for folder in (cohort, out))
    columns = ["patient", "exam_date", "exam_date_state", "dxa_device", "bmd_l1_g_cm2_state", "sex_state"]
    pd.testing.assert_frame_equal(originals[columns], copies[columns])
    assert copies["age_years"].tolist() == [90.0, 63.0]
    exam = date.fromisoformat(copies["exam_date"][0])
    scanned = date.fromisoformat(
        by_uid[KEY.new_uid(before.series[0].series_instance_uid)].files[0].study_date
    )
    assert (exam - scanned).days == 5  # 20 January and 15 January


def test_an_interrupted_copy_goes_on_and_loses_nothing(cohort: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    class Killed(BaseException):
        pass

    def kill(done: int, total: int) -> None:
        if done == 5:
            raise Killed

    with pytest.raises(Killed):
        deidentify_folder(cohort, out, KEY, progress=kill)
    assert not out.exists()
    work = tmp_path / ".out.partial"
    with (work / ".journal.jsonl").open("a") as journal:
        journal.write('{"file": "torn')
    (work / "0123456789abcdef.dcm").write_bytes(b"half a file")
    assert found_in(work) == []
    with pytest.raises(OtherWorkError, match="another source or site key"):
        deidentify_folder(cohort, out, OTHER)
    summary = deidentify_folder(cohort, out, KEY)
    assert summary.resumed == 5
    whole = tmp_path / "whole"
    deidentify_folder(cohort, whole, KEY)
    assert _content(out) == _content(whole)
    with pytest.raises(CopyTargetError, match="not an empty folder"):
        deidentify_folder(cohort, out, KEY)
    with pytest.raises(CopyTargetError, match="inside the source"):
        deidentify_folder(cohort, cohort / "copy", KEY)


def test_a_disk_that_cannot_be_written_is_said_and_the_copy_goes_on_later(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Path.replace

    def full(self: Path, target: Path) -> Path:
        if target.suffix == ".dcm" and "series" in str(target.parent):
            raise OSError(28, "No space left on device")
        return original(self, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(CopyWriteError, match=r"No space left on device.*free disk space"):
        deidentify_folder(cohort, tmp_path / "out", KEY)
    monkeypatch.undo()
    assert deidentify_folder(cohort, tmp_path / "out", KEY).dicom_copied == 9


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
