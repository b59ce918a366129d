"""Levels from a DICOM Segmentation, whoever wrote it (PS3.3 A.51, C.8.20)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from components.ingest_dicom.level_references import segmented_series
from components.ingest_dicom.vertebra_names import rib_named, vertebra_coded, vertebra_named
from components.prepare_vertebrae.spine_labels import BodyCollector, SpineLabels, no_points
from components.prepare_vertebrae.wanted_series import WantedSeries
from models.levels import LEVELS
from models.refusal import Code, refuse

SEGMENTATION_STORAGE = (
    "1.2.840.10008.5.1.4.1.1.66.4",
    "1.2.840.10008.5.1.4.1.1.66.7",
)  # binary or fractional; label map
FRACTION_SHARE = 0.5  # a fractional voxel belongs to the segment from half of MaximumFractionalValue
SLICE_GAP_MM = 0.05  # nearer positions are one slice, written with another rounding
PLANES_MAX = 4000  # 2 m of 0.5 mm slices; more means positions that are no stack
PARALLEL = 1e-3  # largest difference of direction cosines between frames of one segment
RIBS = 12


def read_dicom_seg(dataset: Dataset, wanted: WantedSeries, *, source: str) -> SpineLabels:
    """Bodies of the segments that are vertebrae by SNOMED code (type or anatomic region) or by label.

    Raises
    ------
    RefusedError
        LEVELS_UNREADABLE (not a SEG, frames without a place), LEVELS_OTHER_FRAME, LEVELS_MISSING (no segment is
        L1-L4), LEVELS_AMBIGUOUS (a level twice, or code and label of a segment disagree).
    """
    if dataset.get("SOPClassUID") not in SEGMENTATION_STORAGE:
        raise refuse(
            Code.LEVELS_UNREADABLE, f"{source}: neither a DICOM Segmentation nor an RT Structure Set"
        )
    drawn_on = set(segmented_series(dataset))
    frame_uid = str(dataset.get("FrameOfReferenceUID") or "")
    wanted.require_frame(frame_uid, drawn_on, source=source)
    numbers = _vertebra_segments(dataset, source)
    if not set(LEVELS) & set(numbers):
        raise refuse(Code.LEVELS_MISSING, f"{source}: no segment is coded or labelled L1-L4")
    ribs = _rib_segments(dataset)
    try:
        frames = (
            np.atleast_3d(dataset.pixel_array) if dataset.NumberOfFrames > 1 else dataset.pixel_array[None]
        )
        found = BodyCollector(source)
        for name, number in numbers.items():
            found.add(name, *_segment_mask(dataset, frames, number))
        twelfth = [_voxels(*_segment_mask(dataset, frames, number)) for number in ribs.get(RIBS, ())]
    except (AttributeError, KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise refuse(Code.LEVELS_UNREADABLE, f"{source}: segments cannot be placed ({reason})") from error
    return found.labels(twelfth_ribs=np.concatenate([no_points(), *twelfth]), ribs_outlined=bool(ribs))


def _vertebra_segments(dataset: Dataset, source: str) -> dict[str, int]:
    """Segment number by name of the vertebra."""
    numbers: dict[str, int] = {}
    for segment in dataset.get("SegmentSequence", []):
        coded = vertebra_coded(
            segment.get("SegmentedPropertyTypeCodeSequence"),
            segment.get("AnatomicRegionSequence"),
            segment.get("PrimaryAnatomicStructureSequence"),
        )
        labelled = vertebra_named(str(segment.get("SegmentLabel", "")))
        if coded and labelled and coded != labelled:
            raise refuse(
                Code.LEVELS_AMBIGUOUS,
                f"{source}: segment {segment.SegmentNumber} is coded {coded} but labelled {labelled}",
            )
        name = coded or labelled
        if name is None:
            continue  # another structure
        if name in numbers:
            if name not in LEVELS:
                continue  # a neighbour named twice: it is not measured
            raise refuse(Code.LEVELS_AMBIGUOUS, f"{source}: two segments are {name}")
        numbers[name] = int(segment.SegmentNumber)
    return numbers


def _rib_segments(dataset: Dataset) -> dict[int, list[int]]:
    """Segment numbers by number of the rib."""
    ribs: dict[int, list[int]] = {}
    for segment in dataset.get("SegmentSequence", []):
        number = rib_named(str(segment.get("SegmentLabel", "")))
        if number:
            ribs.setdefault(number, []).append(int(segment.SegmentNumber))
    return ribs


def _voxels(mask: NDArray[np.bool_], affine: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.argwhere(mask) @ affine[:3, :3].T + affine[:3, 3]


def _segment_mask(
    dataset: Dataset, frames: NDArray[np.generic], number: int
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Mask (S, H, W) of one segment and its (4, 4) affine to LPS mm; frames in any order, some left out."""
    shared = dataset.SharedFunctionalGroupsSequence[0]
    per_frame = dataset.PerFrameFunctionalGroupsSequence
    kind = str(dataset.get("SegmentationType", "BINARY"))
    chosen, origins, orientations = [], [], []
    for frame, group in zip(frames, per_frame, strict=True):
        if kind == "LABELMAP":
            mask = frame == number
        else:
            identified = _group(group, shared, "SegmentIdentificationSequence").ReferencedSegmentNumber
            if int(identified) != number:
                continue
            threshold = FRACTION_SHARE * int(dataset.MaximumFractionalValue) if kind == "FRACTIONAL" else 0
            mask = frame > threshold
        if mask.any():
            chosen.append(mask)
            position = _group(group, shared, "PlanePositionSequence").ImagePositionPatient
            origins.append(np.array(position, dtype=np.float64))
            plane = _group(group, shared, "PlaneOrientationSequence").ImageOrientationPatient
            orientations.append(np.array(plane, dtype=np.float64))
    if not chosen:
        return np.zeros((1, 1, 1), dtype=bool), np.eye(4)
    orientation = orientations[0]
    if any(np.abs(other - orientation).max() > PARALLEL for other in orientations):
        raise ValueError(f"the frames of segment {number} are not parallel")
    measures = _group(per_frame[0], shared, "PixelMeasuresSequence")
    row_step, column_step = (float(value) for value in measures.PixelSpacing)
    declared = measures.get("SpacingBetweenSlices") or measures.get("SliceThickness")
    return stacked_mask(chosen, origins, orientation, (row_step, column_step), declared)


def stacked_mask(
    planes: list[NDArray[np.bool_]],
    origins: list[NDArray[np.float64]],
    orientation: NDArray[np.float64],
    pixel_spacing_mm: tuple[float, float],
    declared_spacing_mm: float | None,
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Mask (S, H, W) and its (4, 4) affine to LPS mm from planes (H, W) in any order, some left out.

    Parameters
    ----------
    origins
        (3,) LPS mm of each plane's first pixel.
    orientation
        (6,) direction along a row, then along a column.
    declared_spacing_mm
        Between planes, for a mask of one plane.

    Raises
    ------
    ValueError
        One plane without a spacing, or positions that are no stack.
    """
    row_step, column_step = pixel_spacing_mm
    along_row, along_column = orientation[:3], orientation[3:]
    normal = np.cross(along_row, along_column)
    heights = np.array([origin @ normal for origin in origins])
    gaps = np.diff(np.unique(heights.round(3)))
    gaps = gaps[gaps > SLICE_GAP_MM]
    spacing = float(gaps.min()) if gaps.size else float(declared_spacing_mm or 0.0)
    if spacing <= 0:
        raise ValueError("one plane, and no spacing is declared")
    slots = np.rint((heights - heights.min()) / spacing).astype(int)
    if slots.max() >= PLANES_MAX:
        raise ValueError(
            f"{int(slots.max()) + 1} planes of {spacing:g} mm; at most {PLANES_MAX} are accepted"
        )
    mask3d = np.zeros((int(slots.max()) + 1, *planes[0].shape), dtype=bool)
    for slot, mask in zip(slots, planes, strict=True):
        mask3d[slot] |= mask
    affine = np.eye(4)
    affine[:3, 0] = normal * spacing
    affine[:3, 1] = along_column * row_step  # next row: along the column direction (PS3.3 C.7.6.2.1.1)
    affine[:3, 2] = along_row * column_step
    affine[:3, 3] = origins[int(np.argmin(heights))]
    return mask3d, affine


def _group(frame: Dataset, shared: Dataset, name: str) -> Dataset:
    """A functional group of one frame: its own, else the shared one."""
    return (frame.get(name) or shared[name].value)[0]
