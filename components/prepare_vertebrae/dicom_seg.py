"""Levels from a DICOM Segmentation, whoever wrote it (PS3.3 A.51, C.8.20)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from components.prepare_vertebrae.body_centre import body_centre_lps_mm
from components.prepare_vertebrae.levels import Centres
from models.refusal import Code, refuse

SEGMENTATION_STORAGE = (
    "1.2.840.10008.5.1.4.1.1.66.4",
    "1.2.840.10008.5.1.4.1.1.66.7",
)  # binary or fractional; label map
SCT_LEVELS = {"66794005": "L1", "14293000": "L2", "36470004": "L3", "11994002": "L4"}
NAMED_LEVEL = re.compile(r"(?<![A-Z0-9])L\s?([1-5])(?![0-9])")
FRACTION_SHARE = 0.5  # a fractional voxel belongs to the segment from half of MaximumFractionalValue


def read_dicom_seg(path: Path) -> Centres:
    """Body centres (3,) LPS mm of the segments that are L1-L4 by SNOMED CT code or by label.

    Raises
    ------
    RefusedError
        LEVELS_UNREADABLE (not a SEG, frames without a place), LEVELS_MISSING (no segment is L1-L4),
        LEVELS_AMBIGUOUS (a level twice, or code and label of a segment disagree).
    """
    try:
        dataset = pydicom.dcmread(path)
    except (OSError, InvalidDicomError, EOFError, AttributeError) as error:
        raise refuse(Code.LEVELS_UNREADABLE, f"{path.name}: not a readable DICOM file") from error
    if dataset.get("SOPClassUID") not in SEGMENTATION_STORAGE:
        raise refuse(Code.LEVELS_UNREADABLE, f"{path.name}: not a DICOM Segmentation")
    numbers = _level_segments(dataset, path.name)
    if not numbers:
        raise refuse(Code.LEVELS_MISSING, f"{path.name}: no segment is coded or labelled L1-L4")
    try:
        frames = (
            np.atleast_3d(dataset.pixel_array) if dataset.NumberOfFrames > 1 else dataset.pixel_array[None]
        )
        centres = {}
        for name, number in numbers.items():
            mask, affine = _segment_mask(dataset, frames, number)
            if mask.any():
                centres[name] = body_centre_lps_mm(mask, affine, name=name, source=path.name)
    except (AttributeError, KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise refuse(Code.LEVELS_UNREADABLE, f"{path.name}: segments cannot be placed ({reason})") from error
    return centres


def _level_segments(dataset: Dataset, source: str) -> dict[str, int]:
    """Segment number by level name."""
    numbers: dict[str, int] = {}
    for segment in dataset.get("SegmentSequence", []):
        types = segment.get("SegmentedPropertyTypeCodeSequence") or [Dataset()]
        coded = SCT_LEVELS.get(str(types[0].get("CodeValue", "")))
        text = str(segment.get("SegmentLabel", "")).upper().replace("_", " ")
        words = set(NAMED_LEVEL.findall(text))
        labelled = f"L{words.pop()}" if len(words) == 1 and "DIS" not in text else None
        if coded and labelled and coded != labelled:
            raise refuse(
                Code.LEVELS_AMBIGUOUS,
                f"{source}: segment {segment.SegmentNumber} is coded {coded} but labelled {labelled}",
            )
        name = coded or labelled
        if name is None or name not in SCT_LEVELS.values():
            continue  # another structure
        if name in numbers:
            raise refuse(Code.LEVELS_AMBIGUOUS, f"{source}: two segments are {name}")
        numbers[name] = int(segment.SegmentNumber)
    return numbers


def _segment_mask(
    dataset: Dataset, frames: NDArray[np.generic], number: int
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Mask (S, H, W) of one segment and its (4, 4) affine to LPS mm; frames in any order, some left out."""
    shared = dataset.SharedFunctionalGroupsSequence[0]
    per_frame = dataset.PerFrameFunctionalGroupsSequence
    kind = str(dataset.get("SegmentationType", "BINARY"))
    chosen, origins = [], []
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
    if not chosen:
        return np.zeros((1, 1, 1), dtype=bool), np.eye(4)
    orientation = np.array(
        _group(per_frame[0], shared, "PlaneOrientationSequence").ImageOrientationPatient, float
    )
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
    """
    row_step, column_step = pixel_spacing_mm
    along_row, along_column = orientation[:3], orientation[3:]
    normal = np.cross(along_row, along_column)
    heights = np.array([origin @ normal for origin in origins])
    gaps = np.diff(np.unique(heights.round(3)))
    spacing = float(gaps.min()) if gaps.size else float(declared_spacing_mm or 0.0)
    slots = np.rint((heights - heights.min()) / spacing).astype(int)
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
