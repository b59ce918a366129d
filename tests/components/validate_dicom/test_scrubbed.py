"""Verdicts stay when descriptions and UIDs are scrubbed from the DICOM files; only those that rest on words go."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.run import run as ingest
from components.ingest_dicom.series_table import read_series_table
from components.validate_dicom.check_series import check_series
from components.validate_dicom.params import ValidateParams
from models.refusal import MEANINGS, Basis, Code
from tests.components.validate_dicom.sound_intake import KEY

SLICES = 16
DESCRIPTIONS = ("StudyDescription", "SeriesDescription", "ProtocolName")
TEXTS = ("Description", "Comments", "StationName", "InstitutionName")

# not what an object is, only which one
KEPT_UIDS = ("SOPClassUID", "ReferencedSOPClassUID")


def item(**values: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


PATIENTS: dict[str, dict[str, Any]] = {
    "sound": {},
    "tag": {"ContrastBolusAgent": "OMNIPAQUE"},
    "words": {"SeriesDescription": "ABDOMEN WITH CONTRAST"},
    "vnc": {"ImageType": ["DERIVED", "PRIMARY", "AXIAL", "VNC"]},
    "vnc words": {"SeriesDescription": "Abdomen VNC 2.0"},
    "tin": {"FilterMaterial": "TIN"},
    "tin words": {"ProtocolName": "LWS Sn150"},
    "agent by code": {"ContrastBolusAgentSequence": [item(CodeMeaning="Iohexol")]},
    "counted photons": {
        "MultienergyCTAcquisitionSequence": [
            item(MultienergyCTXRayDetectorSequence=[item(MultienergyDetectorType="PHOTON_COUNTING")])
        ]
    },
    "phantom": {"QualityControlSubject": "YES"},
    "kvp": {"KVP": 150},
    "vendor": {"Manufacturer": "ACME"},
    "modality": {"Modality": "MR"},
    "spacing": {"SpacingBetweenSlices": 9.0},
}


def write_series(folder: Path, patient_id: str, changes: dict[str, Any]) -> None:
    folder.mkdir(parents=True)
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    hu = np.full((32, 32), 40, dtype=np.int16)
    for number in range(SLICES):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image = Dataset()
        image.file_meta = meta
        image.SOPClassUID, image.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = study, series, frame
        image.PatientID, image.PatientSex, image.PatientAge = patient_id, "F", "063Y"
        image.Modality, image.Manufacturer, image.ImageType = (
            "CT",
            "SIEMENS",
            ["ORIGINAL", "PRIMARY", "AXIAL"],
        )
        image.StudyDescription = image.SeriesDescription = image.ProtocolName = "Abdomen"
        image.ImageComments = image.StationName = image.PerformedProcedureStepDescription = "Abdomen"
        image.RequestAttributesSequence = [item(RequestedProcedureDescription="Abdomen with contrast")]
        image.SourceImageSequence = [
            item(ReferencedSOPClassUID=CTImageStorage, ReferencedSOPInstanceUID=study)
        ]
        image.StudyDate = image.AcquisitionDate = "20240510"
        image.KVP, image.SliceThickness, image.SpacingBetweenSlices = 120, 5.0, 5.0
        image.PatientPosition, image.PixelSpacing = "HFS", [0.9, 0.9]
        image.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        image.ImagePositionPatient = [0, 0, 5.0 * number]
        image.RescaleSlope, image.RescaleIntercept = 1, 0
        image.Rows, image.Columns, image.SamplesPerPixel = 32, 32, 1
        image.PhotometricInterpretation, image.PixelRepresentation = "MONOCHROME2", 1
        image.BitsAllocated, image.BitsStored, image.HighBit = 16, 16, 15
        image.PixelData = hu.tobytes()
        for keyword, value in changes.items():
            setattr(image, keyword, value)
        image.save_as(folder / f"{number:03d}.dcm", enforce_file_format=True)


def scrub(source: Path, target: Path) -> None:
    """Rewrite every file: descriptions, comments and names away, every UID a new one, at every level of nesting."""
    renamed: dict[str, str] = defaultdict(generate_uid)
    target.mkdir()
    for number, path in enumerate(sorted(source.rglob("*.dcm"))):
        image = pydicom.dcmread(path)
        assert all(keyword in image for keyword in DESCRIPTIONS)
        for element in list(image.iterall()):
            if element.VR == "UI" and element.keyword not in KEPT_UIDS:
                element.value = renamed[str(element.value)]
        for part in (image, *(inner for one in image.iterall() if one.VR == "SQ" for inner in one.value)):
            for element in list(part):
                if element.keyword in DESCRIPTIONS or element.keyword.endswith(TEXTS):
                    del part[element.tag]
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        image.save_as(target / f"{number:05d}", enforce_file_format=True)


def verdicts(data: Path, out: Path, params: ValidateParams) -> dict[str, set[Code]]:
    ingest(data=data, out=out, key=KEY, params=IngestParams(workers=1))
    table = read_series_table(out / "series.parquet")
    rows = [table.iloc[[place]] for place in range(len(table))]
    return {row["patient"].iloc[0]: {one.code for one in check_series(row, params).refusals} for row in rows}


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    for number, (patient_id, changes) in enumerate(PATIENTS.items()):
        write_series(tmp_path / "as written" / str(number), patient_id, changes)
    return tmp_path / "as written"


def test_verdicts_survive_scrubbing_but_for_those_that_rest_on_words(
    cohort: Path, tmp_path: Path, params: ValidateParams
) -> None:
    written = verdicts(cohort, tmp_path / "intake written", params)
    scrub(cohort, tmp_path / "scrubbed")
    scrubbed = verdicts(tmp_path / "scrubbed", tmp_path / "intake scrubbed", params)
    assert written.keys() == scrubbed.keys()
    assert len(written) == len(PATIENTS)
    table = read_series_table(tmp_path / "intake written" / "series.parquet").set_index("patient")
    gone = {patient: written[patient] - scrubbed[patient] for patient in written}
    assert all(scrubbed[patient] <= written[patient] for patient in written)
    assert {code for codes in gone.values() for code in codes} == {
        Code.CONTRAST_BY_WORDS,
        Code.VIRTUAL_NON_CONTRAST,
        Code.TIN_FILTERED,
    }
    for patient, codes in gone.items():
        for code in codes:
            by_words = pd.Series(table["image_class_basis"])[patient] == "words"
            assert MEANINGS[code].basis is Basis.WORDS or by_words
    kept = {code for codes in scrubbed.values() for code in codes}
    assert {
        Code.CONTRAST_BY_TAG, Code.VIRTUAL_NON_CONTRAST, Code.KVP_OUT_OF_RANGE, Code.VENDOR_UNVALIDATED,
        Code.MODALITY_CONFLICT, Code.SPACING_WRONG, Code.TIN_FILTERED, Code.PHOTON_COUNTING, Code.PHANTOM,
    } <= kept  # fmt: skip
