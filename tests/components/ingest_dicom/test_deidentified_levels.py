"""Levels are found in a de-identified copy as they were in the original: by name, by UID, by segmentation."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest

from components.ingest_dicom.deidentify.level_names import new_level_name
from components.ingest_dicom.deidentify.run import deidentify_folder
from components.ingest_dicom.level_files import find_level_file
from components.ingest_dicom.pseudonym import Pseudonymiser
from tests.dicom_factory import make_segmentation, make_series, series_uid

KEY = Pseudonymiser(b"the secret of these tests, 32 by")
PATIENT = KEY.new_patient_id("DOE-1")


@pytest.mark.parametrize(
    ("name", "new"),
    [
        ("DOE-1.csv", f"{PATIENT}.csv"),
        ("DOE-1.totalseg.nii.gz", f"{PATIENT}.totalseg.nii.gz"),
        ("DOE.1.nii", f"{KEY.new_patient_id('DOE.1')}.nii"),
        (f"{series_uid(1)}.verse.nii.gz", f"{KEY.new_uid(series_uid(1))}.verse.nii.gz"),
        (f"{PATIENT}.csv", f"{PATIENT}.csv"),
        (f"{KEY.new_uid(series_uid(1))}.csv", f"{KEY.new_uid(series_uid(1))}.csv"),
        ("1.2.276.0.99.csv", f"{KEY.new_uid('1.2.276.0.99')}.csv"),  # its series comes another time
    ],
)
def test_a_level_file_is_called_after_the_new_identifiers(name: str, new: str) -> None:
    assert new_level_name(name, KEY, {KEY.new_uid(series_uid(1))}) == new


def test_the_numbering_in_a_name_and_the_chosen_segmentation_stay_where_they_are_looked_for(
    tmp_path: Path,
) -> None:
    cohort, out = tmp_path / "cohort", tmp_path / "out"
    make_series(cohort / "series" / "a", slices=2, patient_id="DOE-1")
    make_series(cohort / "series" / "b", slices=2, series=2, study=2, patient_id="DOE-2")
    make_segmentation(cohort / "levels" / "DOE-2.dcm", series=2, study=2)
    label_map = nibabel.Nifti1Image(np.ones((2, 2, 2), dtype=np.int16), np.eye(4))
    nibabel.save(label_map, cohort / "levels" / f"{series_uid(1)}.totalseg.nii.gz")
    (cohort / "levels" / "DOE-1.csv").write_text("level,x_mm,y_mm,z_mm\nL1,0,0,0\n")
    (cohort / "cohort.json").write_text(json.dumps({"schema_version": 1, "kind": "site"}))
    assert deidentify_folder(cohort, out, KEY).files_refused == 0
    first = find_level_file(out, PATIENT, KEY.new_uid(series_uid(1)))
    second = find_level_file(out, KEY.new_patient_id("DOE-2"), "")
    assert first is not None
    assert first.name.endswith(".totalseg.nii.gz")
    assert second is not None
    reference = pydicom.dcmread(second).ReferencedSeriesSequence[0].SeriesInstanceUID
    assert reference == KEY.new_uid(series_uid(2))


def test_a_copy_of_a_copy_is_the_same_copy(tmp_path: Path) -> None:
    cohort = tmp_path / "cohort"
    make_series(cohort / "series", slices=2, patient_id="DOE-1")
    make_segmentation(cohort / "series" / "seg.dcm")
    (cohort / "levels").mkdir()
    (cohort / "levels" / f"{series_uid(1)}.csv").write_text(
        f"level,x_mm,y_mm,z_mm,series_instance_uid\nL1,0,0,0,{series_uid(1)}\n"
    )
    (cohort / "cohort.json").write_text(json.dumps({"schema_version": 1, "kind": "site"}))
    for path in (cohort / "series").glob("seg.dcm"):
        dataset = pydicom.dcmread(path)
        dataset.PatientID = "DOE-1"
        dataset.save_as(path)
    deidentify_folder(cohort, tmp_path / "one", KEY)
    deidentify_folder(tmp_path / "one", tmp_path / "two", KEY)
    contents = [
        sorted(
            path.read_bytes()
            for part in ("series", "levels")
            for path in (tmp_path / copy / part).rglob("*")
            if path.is_file()
        )
        for copy in ("one", "two")
    ]
    assert len(contents[0]) == 4
    assert contents[0] == contents[1]
    names = [sorted(path.name for path in (tmp_path / copy / "levels").iterdir()) for copy in ("one", "two")]
    assert names[0] == names[1] == [f"{KEY.new_uid(series_uid(1))}.csv"]
