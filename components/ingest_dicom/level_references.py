"""Which series a segmentation or structure set was drawn on, and how many of L1-L4 it names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypedDict

from pydicom.dataset import Dataset

from components.ingest_dicom.elements import text
from components.ingest_dicom.vertebra_names import vertebra_coded, vertebra_named
from models.levels import LEVELS


class LevelReferences(TypedDict):
    """Fields of `headers.OtherFile`."""

    referenced_series: tuple[str, ...]
    referenced_frames: tuple[str, ...]
    levels_named: int | None


def level_references(dataset: Dataset) -> LevelReferences:
    """The references of a SEG (PS3.3 C.12.1.1.6) or RTSTRUCT (C.8.8.5), and what it names."""
    series = (*segmented_series(dataset), *contoured_series(dataset))
    frames = {
        text(item, "FrameOfReferenceUID") for item in dataset.get("ReferencedFrameOfReferenceSequence") or ()
    }
    named = {_name_of_segment(item) for item in dataset.get("SegmentSequence") or ()}
    named |= {vertebra_named(text(item, "ROIName")) for item in dataset.get("StructureSetROISequence") or ()}
    listed = bool(dataset.get("SegmentSequence") or dataset.get("StructureSetROISequence"))
    return {
        "referenced_series": tuple(dict.fromkeys(series)),
        "referenced_frames": tuple(sorted(frames - {""})),
        "levels_named": len(named & set(LEVELS)) if listed else None,
    }


def segmented_series(dataset: Dataset) -> Iterator[str]:
    """SeriesInstanceUIDs that a segmentation refers to."""
    for item in dataset.get("ReferencedSeriesSequence") or ():
        if uid := text(item, "SeriesInstanceUID"):
            yield uid


def contoured_series(dataset: Dataset) -> Iterator[str]:
    """SeriesInstanceUIDs that a structure set's contours were drawn on."""
    for frame in dataset.get("ReferencedFrameOfReferenceSequence") or ():
        for study in frame.get("RTReferencedStudySequence") or ():
            for item in study.get("RTReferencedSeriesSequence") or ():
                if uid := text(item, "SeriesInstanceUID"):
                    yield uid


def _name_of_segment(segment: Dataset) -> str | None:
    coded = vertebra_coded(
        segment.get("SegmentedPropertyTypeCodeSequence"),
        segment.get("AnatomicRegionSequence"),
        segment.get("PrimaryAnatomicStructureSequence"),
    )
    return coded or vertebra_named(text(segment, "SegmentLabel"))
