"""The DICOM SEG of the L1-L4 bodies, byte for byte the same for a seed."""

from __future__ import annotations

from datetime import date
from io import BytesIO

import highdicom as hd
import numpy as np
from highdicom.sr.coding import CodedConcept
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from components.simulate_cohort.dicom_series import IMPLEMENTATION_UID
from models.levels import LEVELS

# SNOMED CT concepts of the whole vertebrae (DICOM PS3.16 CID 7602 context)
LEVEL_CODES = {"L1": "66794005", "L2": "14293000", "L3": "36470004", "L4": "11994002"}
LEVEL_MEANINGS = {
    "L1": "First lumbar vertebra",
    "L2": "Second lumbar vertebra",
    "L3": "Third lumbar vertebra",
    "L4": "Fourth lumbar vertebra",
}


def _description(number: int, level: str) -> hd.seg.SegmentDescription:
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=level,
        segmented_property_category=CodedConcept("123037004", "SCT", "Anatomical Structure"),
        segmented_property_type=CodedConcept(LEVEL_CODES[level], "SCT", LEVEL_MEANINGS[level]),
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
    )


def encode_segmentation(
    slices: list[Dataset],
    labels: NDArray[np.uint8],
    *,
    series_uid: str,
    instance_uid: str,
    dimension_uid: str,
    study_date: date,
) -> bytes:
    """Encode labels (S, H, W), 1..4 = L1..L4, on the CT slices (same order) as a binary SEG."""
    used = np.flatnonzero(labels.any(axis=(1, 2)))
    seg = hd.seg.Segmentation(
        source_images=[slices[k] for k in used],
        pixel_array=labels[used],
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[_description(k, level) for k, level in enumerate(LEVELS, start=1)],
        series_instance_uid=series_uid,
        series_number=900,
        sop_instance_uid=instance_uid,
        instance_number=1,
        manufacturer="OsteoGate",
        manufacturer_model_name="simulated phantoms",
        software_versions="1",
        device_serial_number="1",
        content_label="L1_L4_BODIES",
        series_description="L1-L4 bodies",
    )
    day = study_date.strftime("%Y%m%d")
    for name in ("InstanceCreationDate", "ContentDate", "SeriesDate"):
        if name in seg:
            setattr(seg, name, day)
    for name in ("InstanceCreationTime", "ContentTime", "SeriesTime"):
        if name in seg:
            setattr(seg, name, "090000")
    for item in (*seg.DimensionOrganizationSequence, *seg.DimensionIndexSequence):
        item.DimensionOrganizationUID = dimension_uid
    for item in seg.get("ContributingEquipmentSequence", []):
        item.ContributionDateTime = f"{day}090000"
    seg.file_meta.ImplementationClassUID = IMPLEMENTATION_UID
    seg.file_meta.ImplementationVersionName = "OSTEOGATE_SIM"
    buffer = BytesIO()
    seg.save_as(buffer)
    return buffer.getvalue()
