"""A whole cohort is copied without its patients: complete, fitting together, and going on where it broke off."""

from __future__ import annotations

import csv
import json
from datetime import date
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pydicom
import pytest

from components.ingest_dicom.deidentify.journal import OtherWorkError
from components.ingest_dicom.deidentify.run import (
    MANIFEST,
    CopyTargetError,
    CopyWriteError,
    deidentify_folder,
)
from components.ingest_dicom.pseudonym import Pseudonymiser
from components.ingest_dicom.read_volume import read_volume
from components.ingest_dicom.scan import scan_folder
from components.validate_dicom.dxa_table import read_dxa_table
from models.dxa_columns import DXA_COLUMNS
from tests.command_line import EXAM
from tests.dicom_factory import make_segmentation, make_series
from tests.planted_identifiers import (
    GIVEN,
    NAME,
    PATIENT_ID,
    found_in,
    plant_person,
)

KEY = Pseudonymiser(b"the secret of these tests, 32 by")
OTHER = Pseudonymiser(b"the secret of another site, 32 b")


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
