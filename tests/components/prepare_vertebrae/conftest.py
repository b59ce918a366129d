"""A synthetic spine whose geometry is known by construction, as a volume and as DICOM files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from components.ingest_dicom.volume import Volume
from components.prepare_vertebrae.params import PrepareParams
from models.params import load_section

ROOT = Path(__file__).resolve().parents[3]

CENTRES_LPS_MM = {
    "L1": np.array([2.0, 20.0, 54.0]),
    "L2": np.array([2.0, 20.0, 18.0]),
    "L3": np.array([2.0, 20.0, -18.0]),
    "L4": np.array([2.0, 20.0, -54.0]),
}
BODY_HALF_MM = (20.0, 15.0, 13.0)


@pytest.fixture(scope="session")
def params() -> PrepareParams:
    """The section of params.yaml, for cohorts too small to have every vendor in every split."""
    own = load_section(ROOT / "params.yaml", "prepare", PrepareParams)
    return own.model_copy(update={"split": own.split.model_copy(update={"absent_vendor": "warn"})})


def grid_points(shape: tuple[int, int, int], affine: np.ndarray) -> np.ndarray:
    index = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    return index @ affine[:3, :3].T + affine[:3, 3]


@pytest.fixture(scope="session")
def spine() -> Volume:
    """Box bodies of 140 HU in 50 HU muscle with -100 HU fat behind; 3 mm slices, 2 mm pixels."""
    shape = (66, 80, 90)
    affine = np.array(
        [[0.0, 0.0, 2.0, -88.0], [0.0, 2.0, 0.0, -60.0], [3.0, 0.0, 0.0, -97.5], [0.0, 0.0, 0.0, 1.0]]
    )
    points = grid_points(shape, affine)
    hu = np.full(shape, 50.0)
    hu[points[..., 1] > 64] = -100
    for centre in CENTRES_LPS_MM.values():
        inside = np.all(np.abs(points - centre) <= BODY_HALF_MM, axis=-1)
        hu[inside] = 140
    return Volume(hu.astype(np.int16), affine)


@pytest.fixture(scope="session")
def centres() -> dict[str, np.ndarray]:
    return CENTRES_LPS_MM


@pytest.fixture(scope="session")
def write_series() -> Callable[..., list[pydicom.Dataset]]:
    """Write an axial volume (rows to the back, columns to the left) as a DICOM series."""

    def write(volume: Volume, folder: Path, **tags: object) -> list[pydicom.Dataset]:
        folder.mkdir(parents=True, exist_ok=True)
        series_uid, study_uid, frame_uid = generate_uid(), generate_uid(), generate_uid()
        slice_mm, row_mm, column_mm = volume.spacing_mm
        datasets = []
        for number, pixels in enumerate(volume.hu):
            meta = FileMetaDataset()
            meta.TransferSyntaxUID = ExplicitVRLittleEndian
            meta.MediaStorageSOPClassUID = CTImageStorage
            meta.MediaStorageSOPInstanceUID = generate_uid()
            dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
            dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
            dataset.SeriesInstanceUID, dataset.StudyInstanceUID = series_uid, study_uid
            dataset.FrameOfReferenceUID = frame_uid
            dataset.PatientID, dataset.PatientName = "TEST-1", "Test^One"
            dataset.PatientSex, dataset.PatientAge, dataset.PatientBirthDate = "F", "067Y", ""
            dataset.Modality, dataset.Manufacturer, dataset.ManufacturerModelName = "CT", "SIEMENS", "Test"
            dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
            dataset.KVP, dataset.ConvolutionKernel = "120", "B30f"
            dataset.StudyDate, dataset.StudyTime, dataset.AcquisitionDate = "20200102", "080000", "20200102"
            dataset.StudyID, dataset.SeriesNumber, dataset.AccessionNumber = "1", 1, ""
            dataset.ReferringPhysicianName, dataset.PatientPosition = "", "HFS"
            dataset.SeriesDescription = "spine"
            dataset.PositionReferenceIndicator = ""
            dataset.SliceThickness, dataset.PixelSpacing = slice_mm, [row_mm, column_mm]
            dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
            dataset.ImagePositionPatient = [round(float(v), 3) for v in volume.index_to_lps([number, 0, 0])]
            dataset.InstanceNumber = number + 1
            dataset.Rows, dataset.Columns = pixels.shape
            dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
            dataset.BitsAllocated = dataset.BitsStored = 16
            dataset.HighBit, dataset.PixelRepresentation = 15, 1
            dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = 1, 0, "HU"
            dataset.PixelData = np.ascontiguousarray(pixels).tobytes()
            for tag, value in tags.items():
                setattr(dataset, tag, value)
            dataset.save_as(folder / f"{number:03d}.dcm")
            datasets.append(dataset)
        return datasets

    return write


@pytest.fixture(scope="session")
def bodies(
    spine: Volume, write_series: Callable, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list, np.ndarray]:
    """CT slices, and labels 1..4 for L1..L4 at the bodies of the synthetic spine."""
    slices = write_series(spine, tmp_path_factory.mktemp("ct"))
    index = np.stack(np.meshgrid(*(np.arange(n) for n in spine.shape), indexing="ij"), axis=-1)
    height_mm = spine.index_to_lps(index)[..., 2]
    labels = np.zeros(spine.shape, np.uint8)
    for number, centre_mm in enumerate((54.0, 18.0, -18.0, -54.0), start=1):
        labels[(spine.hu == 140) & (np.abs(height_mm - centre_mm) < 16)] = number
    return slices, labels
