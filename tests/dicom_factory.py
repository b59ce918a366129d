"""Tiny DICOM CT series for tests: right in every attribute until a test overrides one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, SegmentationStorage

UID_ROOT = "1.2.826.0.1.3680043.10.1234"
# row direction and column direction in LPS, and the direction in which slices follow one another
ORIENTATIONS: dict[str, tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]] = {
    "axial": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "axial_flipped_rows": ((1, 0, 0), (0, -1, 0), (0, 0, 1)),
    "axial_flipped_columns": ((-1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "axial_head_first": ((1, 0, 0), (0, 1, 0), (0, 0, -1)),
    "coronal": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "sagittal": ((0, 1, 0), (0, 0, -1), (1, 0, 0)),
}


def make_series(
    folder: Path,
    *,
    slices: int = 8,
    rows: int = 16,
    columns: int = 16,
    spacing_mm: float = 3.0,
    pixel_spacing_mm: tuple[float, float] = (0.8, 0.8),
    orientation: str = "axial",
    origin_mm: tuple[float, float, float] = (-10.0, -20.0, -300.0),
    tilt_deg: float = 0.0,
    hu: NDArray[np.int16] | int = 40,
    intercept: float = -1024.0,
    slope: float = 1.0,
    signed: bool = False,
    series: int = 1,
    study: int = 1,
    patient_id: str = "TEST-001",
    skip: Sequence[int] = (),
    syntax: str = ExplicitVRLittleEndian,
    names: Sequence[str] | None = None,
    per_slice: dict[int, dict[str, Any]] | None = None,
    **overrides: Any,
) -> list[Path]:
    """Write a CT series, one file per slice, and return the paths in slice order.

    Parameters
    ----------
    hu
        One value, or (S, H, W) HU in file order.
    tilt_deg
        Gantry tilt about x: slices tilt, the table still moves along z, so the stack is sheared.
    skip
        Slice numbers that are left out (a gap).
    names
        File names instead of IM0001.dcm and so on.
    per_slice
        Attributes by slice number; None as value removes the attribute.
    overrides
        Attributes by keyword for every slice (`KVP=140`); None removes the attribute.
    """
    folder.mkdir(parents=True, exist_ok=True)
    row, column, step = (np.array(axis, dtype=float) for axis in ORIENTATIONS[orientation])
    if tilt_deg:
        turn = math.radians(tilt_deg)
        column = np.array([0.0, math.cos(turn), -math.sin(turn)])
    values = np.broadcast_to(np.asarray(hu, dtype=np.int16), (slices, rows, columns))
    written = []
    for index in range(slices):
        if index in skip:
            continue
        position = np.array(origin_mm) + index * spacing_mm * step
        dataset = _image(series, study, index, syntax)
        dataset.PatientID = patient_id
        dataset.ImageOrientationPatient = [round(float(v), 8) for v in (*row, *column)]
        dataset.ImagePositionPatient = [round(float(v), 6) for v in position]
        dataset.PixelSpacing = list(pixel_spacing_mm)
        dataset.SliceThickness = spacing_mm
        dataset.GantryDetectorTilt = tilt_deg
        dataset.Rows, dataset.Columns = rows, columns
        dataset.RescaleSlope, dataset.RescaleIntercept = slope, intercept
        dataset.PixelRepresentation = int(signed)
        stored = np.rint((values[index].astype(float) - intercept) / slope)
        dataset.PixelData = stored.astype("<i2" if signed else "<u2").tobytes()
        _override(dataset, overrides)
        _override(dataset, (per_slice or {}).get(index, {}))
        name = names[index] if names is not None else f"IM{index + 1:04d}.dcm"
        dataset.save_as(folder / name, enforce_file_format=True)
        written.append(folder / name)
    return written


def make_segmentation(path: Path, *, series: int = 1, study: int = 1) -> Path:
    """Write the header of a DICOM SEG that refers to series `series`; it holds no segments."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset = _image(series + 500, study, 0, ExplicitVRLittleEndian)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = SegmentationStorage
    dataset.Modality = "SEG"
    reference = Dataset()
    reference.SeriesInstanceUID = series_uid(series)
    dataset.ReferencedSeriesSequence = [reference]
    dataset.save_as(path, enforce_file_format=True)
    return path


def series_uid(series: int) -> str:
    """SeriesInstanceUID that `make_series(series=...)` writes."""
    return f"{UID_ROOT}.2.{series}"


def _image(series: int, study: int, index: int, syntax: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = f"{UID_ROOT}.3.{series}.{index + 1}"
    meta.TransferSyntaxUID = syntax
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID = f"{UID_ROOT}.1.{study}"
    dataset.SeriesInstanceUID = series_uid(series)
    dataset.FrameOfReferenceUID = f"{UID_ROOT}.4.{study}"
    dataset.Modality = "CT"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.Manufacturer, dataset.ManufacturerModelName = "SIEMENS", "SOMATOM Force"
    dataset.StudyDate = dataset.AcquisitionDate = "20240115"
    dataset.StudyDescription, dataset.SeriesDescription = "Abdomen", "LWS 3.0 B30f"
    dataset.PatientAge, dataset.PatientSex, dataset.PatientPosition = "063Y", "F", "HFS"
    dataset.KVP, dataset.ConvolutionKernel = 120, "B30f"
    dataset.InstanceNumber = index + 1
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = 0
    return dataset


def _override(dataset: Dataset, values: dict[str, Any]) -> None:
    for keyword, value in values.items():
        if value is None:
            if keyword in dataset:
                del dataset[keyword]
        else:
            setattr(dataset, keyword, value)
