"""A synthetic torso with four bodies at known places, written as DICOM and NIfTI."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

CENTRES_MM = {"L1": 54.0, "L2": 18.0, "L3": -18.0, "L4": -54.0}
SHAPE, SLICE_MM, PIXEL_MM = (80, 200, 200), 2.5, 0.95


def torso() -> np.ndarray:
    """(S, H, W) HU: an elliptical body of 50 HU in air, fat rim, four box bodies of 150 HU at x 0, y 10."""
    z, y, x = (
        (np.arange(count) - (count - 1) / 2) * step
        for count, step in zip(SHAPE, (SLICE_MM, PIXEL_MM, PIXEL_MM), strict=True)
    )
    radius = np.hypot(x[None, :] / 88, y[:, None] / 80)
    plane = np.where(radius < 0.85, 50.0, np.where(radius < 1, -100.0, -1000.0))
    vessel = np.hypot(x[None, :] - 12, y[:, None] + 24)  # a native aorta of 40 HU in retroperitoneal fat
    plane = np.where(vessel < 9, 40.0, np.where(vessel < 17, -100.0, plane))
    hu = np.repeat(plane[None], SHAPE[0], axis=0)
    column = (np.abs(x[None, :]) <= 20) & (np.abs(y[:, None] - 10) <= 15)
    for centre_mm in CENTRES_MM.values():
        hu[np.ix_(np.abs(z - centre_mm) <= 13)] = np.where(column, 150.0, plane)
    noise = np.random.default_rng(0).normal(0, 8, SHAPE)
    return np.rint(hu + noise).astype(np.int16)


def write_ct(folder: Path, hu: np.ndarray, **tags: object) -> str:
    """Write a DICOM series; returns its SeriesInstanceUID."""
    folder.mkdir(parents=True, exist_ok=True)
    series_uid, study_uid, frame_uid = generate_uid(), generate_uid(), generate_uid()
    for number, pixels in enumerate(hu):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        values: dict[str, object] = {
            "SOPClassUID": CTImageStorage, "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
            "SeriesInstanceUID": series_uid, "StudyInstanceUID": study_uid, "FrameOfReferenceUID": frame_uid,
            "PatientID": "TEST-1", "PatientSex": "F", "PatientAge": "067Y", "Modality": "CT",
            "Manufacturer": "SIEMENS", "ManufacturerModelName": "Test", "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
            "KVP": "120", "ConvolutionKernel": "B30f", "StudyDate": "20200102", "PatientPosition": "HFS",
            "SeriesDescription": "spine", "SliceThickness": 3.0, "PixelSpacing": [PIXEL_MM, PIXEL_MM],
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "InstanceNumber": number + 1,
            "ImagePositionPatient": [
                -(SHAPE[2] - 1) / 2 * PIXEL_MM, -(SHAPE[1] - 1) / 2 * PIXEL_MM,
                (number - (SHAPE[0] - 1) / 2) * SLICE_MM,
            ],
            "Rows": pixels.shape[0], "Columns": pixels.shape[1], "SamplesPerPixel": 1,
            "PhotometricInterpretation": "MONOCHROME2", "BitsAllocated": 16, "BitsStored": 16, "HighBit": 15,
            "PixelRepresentation": 1, "RescaleSlope": 1, "RescaleIntercept": 0,
            "PixelData": np.ascontiguousarray(pixels).tobytes(),
        }  # fmt: skip
        for tag, value in (values | tags).items():
            if value is not None:
                setattr(dataset, tag, value)
        dataset.save_as(folder / f"{number:03d}")
    return str(series_uid)


@dataclass(frozen=True)
class Site:
    """Files of one synthetic patient."""

    folder: Path
    uid: str
    nifti: Path
    levels: Path


def write_site(root: Path) -> Site:
    """The study as DICOM series, as NIfTI, and its table of levels."""
    hu = torso()
    uid = write_ct(root / "ct", hu)
    affine = np.eye(4)  # RAS: the array's last axis runs to the left, its middle one to the back
    affine[:3, :3] = [[0, 0, -PIXEL_MM], [0, -PIXEL_MM, 0], [SLICE_MM, 0, 0]]
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(SHAPE) - 1) / 2)
    nibabel.save(nibabel.Nifti1Image(hu, affine), root / "ct.nii.gz")
    rows = [f"{name},0,10,{z}" for name, z in CENTRES_MM.items()]
    (root / "levels.csv").write_text("level,x_mm,y_mm,z_mm\n" + "\n".join(rows) + "\n")
    return Site(root / "ct", uid, root / "ct.nii.gz", root / "levels.csv")
