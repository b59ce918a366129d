"""DICOM objects that name vertebrae: segmentations by highdicom, structure sets by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import highdicom as hd
import numpy as np
from highdicom.sr.coding import CodedConcept
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid

BODY_HALF_MM = (20.0, 15.0, 13.0)  # of the synthetic spine in conftest.py
Contours = Sequence[tuple[str, np.ndarray]]


def write_seg(
    slices: list,
    labels: np.ndarray,
    path: Path,
    described: list[tuple[str, str | None]],
    *,
    kind: str = "BINARY",
    scheme: str = "SCT",
    region: bool = False,
    **tags: object,
) -> Path:
    """A SEG by highdicom: segment label and SNOMED code per number; empty frames are left out.

    `region` writes the code as the anatomic region of a bone; `tags` replace values of the finished object.
    """
    segments = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=label,
            segmented_property_category=CodedConcept("123037004", "SCT", "Anatomical Structure"),
            segmented_property_type=CodedConcept("272673000", "SCT", "Bone")
            if region
            else CodedConcept(code or "51282000", scheme, "Vertebra"),
            anatomic_regions=[CodedConcept(code, scheme, "Vertebra")] if region and code else None,
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
        )
        for number, (label, code) in enumerate(described, start=1)
    ]
    seg = hd.seg.Segmentation(
        source_images=slices, pixel_array=labels, segmentation_type=hd.seg.SegmentationTypeValues[kind],
        segment_descriptions=segments, series_instance_uid=generate_uid(), series_number=2,
        sop_instance_uid=generate_uid(), instance_number=1, manufacturer="test", manufacturer_model_name="test",
        software_versions="1", device_serial_number="1",
    )  # fmt: skip
    for name, value in tags.items():
        setattr(seg, name, value)
    seg.save_as(path)
    return path


def write_rtstruct(
    path: Path,
    rois: Mapping[str, Contours],
    *,
    frame_uid: str = "1.2.3.4",
    series_uid: str = "",
    codes: Mapping[str, str] | None = None,
) -> Path:
    """A structure set: contours (geometric type, (M, 3) LPS mm) by ROI name; an SCT code for an ROI where given."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = RTStructureSetStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = RTStructureSetStorage, meta.MediaStorageSOPInstanceUID
    dataset.Modality, dataset.SeriesInstanceUID = "RTSTRUCT", generate_uid()
    dataset.StudyInstanceUID, dataset.PatientID = generate_uid(), "TEST-1"
    frame = Dataset()
    frame.FrameOfReferenceUID = frame_uid
    if series_uid:
        study, series = Dataset(), Dataset()
        series.SeriesInstanceUID = series_uid
        study.RTReferencedSeriesSequence = [series]
        frame.RTReferencedStudySequence = [study]
    dataset.ReferencedFrameOfReferenceSequence = [frame]
    dataset.StructureSetROISequence, dataset.ROIContourSequence = [], []
    dataset.RTROIObservationsSequence = []
    for number, (name, contours) in enumerate(rois.items(), start=1):
        roi, drawn, observed = Dataset(), Dataset(), Dataset()
        roi.ROINumber, roi.ROIName, roi.ReferencedFrameOfReferenceUID = number, name.split("#")[0], frame_uid
        drawn.ReferencedROINumber = observed.ReferencedROINumber = number
        drawn.ContourSequence = []
        for kind, points in contours:
            contour = Dataset()
            contour.ContourGeometricType = kind
            contour.NumberOfContourPoints = len(points)
            contour.ContourData = [f"{value:.3f}" for value in np.ravel(points)]
            drawn.ContourSequence.append(contour)
        if codes and name in codes:
            code = Dataset()
            code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = codes[name], "SCT", "vertebra"
            observed.RTROIIdentificationCodeSequence = [code]
        dataset.StructureSetROISequence.append(roi)
        dataset.ROIContourSequence.append(drawn)
        dataset.RTROIObservationsSequence.append(observed)
    dataset.save_as(path, enforce_file_format=True)
    return path


def box_contours(centre: np.ndarray, half_mm: Sequence[float] = BODY_HALF_MM, *, axis: int = 2) -> list:
    """Rectangles of a box on planes 3 mm apart, cut across `axis` (2: axial, 0: sagittal)."""
    first, second = (number for number in range(3) if number != axis)
    corners = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    contours = []
    reach = half_mm[axis] // 3 * 3
    for offset in np.arange(-reach, reach + 0.01, 3.0):
        points = np.tile(np.asarray(centre, dtype=float), (4, 1))
        points[:, axis] += offset
        points[:, first] += [a * half_mm[first] for a, _ in corners]
        points[:, second] += [b * half_mm[second] for _, b in corners]
        contours.append(("CLOSED_PLANAR", points))
    return contours
