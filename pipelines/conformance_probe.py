"""What ingestion makes of one object of each storage class: asked of the reader itself, not written down."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from components.ingest_dicom.headers import ENHANCED_CT, OtherFile
from components.ingest_dicom.read_header import read_header

# what a CT study holds, and what commonly lies beside one
STORAGE_CLASSES = (
    "CTImageStorage",
    "EnhancedCTImageStorage",
    "LegacyConvertedEnhancedCTImageStorage",
    "SegmentationStorage",
    "RTStructureSetStorage",
    "SecondaryCaptureImageStorage",
    "MultiFrameGrayscaleWordSecondaryCaptureImageStorage",
    "MultiFrameTrueColorSecondaryCaptureImageStorage",
    "MediaStorageDirectoryStorage",
    "XRayRadiationDoseSRStorage",
    "ComprehensiveSRStorage",
    "KeyObjectSelectionDocumentStorage",
    "GrayscaleSoftcopyPresentationStateStorage",
    "EncapsulatedPDFStorage",
    "RTImageStorage",
    "RTDoseStorage",
    "MRImageStorage",
    "PositronEmissionTomographyImageStorage",
    "DigitalXRayImageStorageForPresentation",
)
READ = "read"


def outcome(sop_class: UID) -> str:
    """`read` when ingestion takes a sound object of this class for CT, else the code it gives."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "object"
        _object(sop_class).save_as(path, enforce_file_format=True)
        found = read_header(path)
    return found.code.value if isinstance(found, OtherFile) else READ


def storage_classes() -> list[tuple[UID, str]]:
    """Each class with what becomes of it."""
    classes = [getattr(pydicom.uid, keyword) for keyword in STORAGE_CLASSES]
    return [(sop_class, outcome(sop_class)) for sop_class in classes]


def _object(sop_class: UID) -> FileDataset:
    """The least that an object of the class declares, with a 2 by 2 image of one slice (or two frames)."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, "2.25.1"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, "2.25.1"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = (
        "2.25.2",
        "2.25.3",
        "2.25.4",
    )
    dataset.PatientID, dataset.Modality = "PROBE", "CT"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows = dataset.Columns = 2
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
    frames = 1
    if sop_class in ENHANCED_CT:
        frames = 2
        _functional_groups(dataset, frames)
    else:
        dataset.ImageOrientationPatient, dataset.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, 0]
        dataset.PixelSpacing, dataset.RescaleSlope, dataset.RescaleIntercept = [1, 1], 1, 0
    dataset.PixelData = b"\0" * 8 * frames
    return dataset


def _functional_groups(dataset: Dataset, frames: int) -> None:
    """Of a multi-frame CT (DICOM PS3.3 A.38): geometry and rescale shared, a position for each frame."""
    dataset.NumberOfFrames = frames
    dataset.SharedFunctionalGroupsSequence = [
        _item(
            PixelMeasuresSequence=[_item(PixelSpacing=[1, 1], SliceThickness=1)],
            PlaneOrientationSequence=[_item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
            PixelValueTransformationSequence=[_item(RescaleSlope=1, RescaleIntercept=0, RescaleType="HU")],
            CTImageFrameTypeSequence=[_item(FrameType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"])],
        )
    ]
    dataset.PerFrameFunctionalGroupsSequence = [
        _item(
            FrameContentSequence=[_item(StackID="1", InStackPositionNumber=number + 1)],
            PlanePositionSequence=[_item(ImagePositionPatient=[0, 0, number])],
        )
        for number in range(frames)
    ]


def _item(**values: object) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item
