"""Writing a CT image as a DICOM series with the header idioms of its vendor."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from datetime import date
from io import BytesIO

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RLELossless

from components.simulate_cohort.ct import CtImage
from components.simulate_cohort.patient import Patient
from components.simulate_cohort.scanner import VENDORS, Acquisition
from components.simulate_cohort.seeding import fixed_uid

RESCALE_INTERCEPT = -1024
IMPLEMENTATION_UID = "2.25.257813482043921940117466842710536412519"  # of this writer, fixed


@dataclass(frozen=True)
class SeriesHeader:
    """What a series declares beside its geometry; planted defects are changes of this.

    Attributes
    ----------
    declared_spacing_mm
        SpacingBetweenSlices as written.
    contrast_agent
        ContrastBolusAgent, or None to leave the tag out.
    """

    patient_id: str
    study_date: date
    modality: str
    manufacturer: str
    model: str
    image_type: tuple[str, ...]
    description: str
    protocol: str
    body_part: str
    contrast_agent: str | None
    declared_spacing_mm: float
    series_number: int = 3
    name: str = "ct"


def ordinary_header(
    patient: Patient, patient_id: str, study_date: date, acquisition: Acquisition
) -> SeriesHeader:
    """The header of a sound non-contrast series."""
    spine = (
        "LUMBAR" in acquisition.protocol.description.upper() or "SPINE" in acquisition.protocol.description
    )
    return SeriesHeader(
        patient_id=patient_id,
        study_date=study_date,
        modality="CT",
        manufacturer=acquisition.manufacturer,
        model=acquisition.model,
        image_type=VENDORS[acquisition.vendor].image_type,
        description=acquisition.protocol.description,
        protocol="Lumbar spine" if spine else "Abdomen routine",
        body_part="LSPINE" if spine else "ABDOMEN",
        contrast_agent=None,
        declared_spacing_mm=acquisition.protocol.slice_spacing_mm,
    )


def decimal(value: float) -> str:
    """A DICOM decimal string (DS, at most 16 characters), rounded to a ten-thousandth."""
    text = f"{float(value):.4f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _common(patient: Patient, header: SeriesHeader, acquisition: Acquisition) -> Dataset:
    seed, pid = patient.seed, header.patient_id
    ds = Dataset()
    day = header.study_date.strftime("%Y%m%d")
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.ImageType = list(header.image_type)
    ds.SOPClassUID = CTImageStorage
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = day
    ds.StudyTime, ds.SeriesTime, ds.AcquisitionTime, ds.ContentTime = "080000", "080200", "080210", "080215"
    ds.AccessionNumber = f"A{patient.index:06d}"
    ds.Modality = header.modality
    ds.Manufacturer = header.manufacturer
    ds.InstitutionName = "OsteoGate simulated phantoms"
    ds.ReferringPhysicianName = ""
    ds.StationName = f"CT{acquisition.station + 1}"
    ds.StudyDescription = header.protocol
    ds.SeriesDescription = header.description
    ds.ManufacturerModelName = header.model
    ds.PatientName = f"PHANTOM^{pid}"
    ds.PatientID = pid
    ds.PatientBirthDate = ""
    ds.PatientSex = patient.sex
    ds.PatientAge = f"{int(patient.age_years):03d}Y"
    ds.PatientSize = decimal(patient.height_cm / 100)
    ds.PatientWeight = decimal(patient.weight_kg)
    ds.BodyPartExamined = header.body_part
    if header.contrast_agent is not None:
        ds.ContrastBolusAgent = header.contrast_agent
    ds.SliceThickness = decimal(acquisition.protocol.slice_thickness_mm)
    ds.KVP = decimal(acquisition.kvp)
    ds.SpacingBetweenSlices = decimal(header.declared_spacing_mm)
    ds.SoftwareVersions = "simulated"
    ds.ProtocolName = header.protocol
    ds.ReconstructionDiameter = decimal(acquisition.pixel_spacing_mm * acquisition.matrix)
    ds.GantryDetectorTilt = "0"
    ds.ConvolutionKernel = acquisition.protocol.kernel
    ds.PatientPosition = "HFS"
    ds.StudyInstanceUID = fixed_uid(seed, patient.purpose, pid, "study")
    ds.SeriesInstanceUID = fixed_uid(seed, patient.purpose, pid, header.name)
    ds.StudyID = "1"
    ds.SeriesNumber = header.series_number
    ds.AcquisitionNumber = 1
    ds.FrameOfReferenceUID = fixed_uid(seed, patient.purpose, pid, "frame")
    ds.PositionReferenceIndicator = ""
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    signed = VENDORS[acquisition.vendor].signed_pixels
    ds.BitsAllocated = 16
    ds.BitsStored = 16 if signed else 12
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(signed)
    ds.RescaleIntercept = str(RESCALE_INTERCEPT)
    ds.RescaleSlope = "1"
    ds.RescaleType = "HU"
    ds.WindowCenter, ds.WindowWidth = "50", "400"
    return ds


def _encoded_once(common: Dataset) -> Dataset:
    """The same elements with their values already encoded: a slice then copies bytes instead of encoding them."""
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, common)
    buffer.seek(0)
    return read_dataset(buffer, is_implicit_VR=False, is_little_endian=True)


def series_datasets(
    patient: Patient, header: SeriesHeader, acquisition: Acquisition, image: CtImage, *, tilt_deg: float = 0.0
) -> list[Dataset]:
    """One dataset per slice, instance number 1 at the head."""
    common = _common(patient, header, acquisition)
    common.GantryDetectorTilt = decimal(tilt_deg)
    slices, common.Rows, common.Columns = image.hu.shape
    common.PixelSpacing = [decimal(acquisition.pixel_spacing_mm)] * 2
    row = image.affine[:3, 2] / acquisition.pixel_spacing_mm
    column = image.affine[:3, 1] / acquisition.pixel_spacing_mm
    common.ImageOrientationPatient = [f"{value:.6f}".rstrip("0").rstrip(".") for value in (*row, *column)]
    common = _encoded_once(common)
    stored = (image.hu.astype(np.int32) - RESCALE_INTERCEPT).astype("<i2")
    datasets = []
    for number, k in enumerate(reversed(range(slices)), start=1):
        ds = copy(common)
        ds._dict = dict(common._dict)  # a slice has its own elements but shares the unchanged ones
        place = image.affine @ np.array([k, 0, 0, 1.0])
        ds.SOPInstanceUID = fixed_uid(patient.seed, patient.purpose, header.patient_id, header.name, number)
        ds.InstanceNumber = number
        ds.ImagePositionPatient = [decimal(value) for value in place[:3]]
        ds.SliceLocation = decimal(place[2])
        ds.PixelData = stored[k].tobytes()
        ds["PixelData"].VR = "OW"
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.ImplementationClassUID = IMPLEMENTATION_UID
        meta.ImplementationVersionName = "OSTEOGATE_SIM"
        ds.file_meta = meta
        datasets.append(ds)
    return datasets


def encode(dataset: Dataset, *, rle: bool = False) -> bytes:
    """The DICOM file of a dataset."""
    if rle:
        dataset.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True, implicit_vr=False, little_endian=True)
    return buffer.getvalue()
