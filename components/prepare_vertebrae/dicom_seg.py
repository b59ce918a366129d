"""Levels from a DICOM Segmentation, whoever wrote it (PS3.3 A.51, C.8.20)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels import iter_pixels
from pydicom.pixels.utils import unpack_bits

from components.ingest_dicom.codestream import frame_sizes
from components.ingest_dicom.guarded_file import FRAME_PIXELS_MAX
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
SHIFT_MM = 0.05  # frames whose first pixels lie nearer to one line need no moving
VOXELS_MAX = 400_000_000  # of one segment's planes together: 1,500 of 512 x 512
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
        frames = SegmentFrames(dataset, {*numbers.values(), *ribs.get(RIBS, ())})
        found = BodyCollector(source)
        for name, number in numbers.items():
            found.add(name, *frames.mask(number))
        twelfth = [_voxels(*frames.mask(number)) for number in ribs.get(RIBS, ())]
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


class SegmentFrames:
    """The frames of some segments, decoded once; those of a hundred other structures are not."""

    def __init__(self, dataset: Dataset, numbers: set[int]) -> None:
        _refuse_absurd_frames(dataset)
        self.shared = dataset.SharedFunctionalGroupsSequence[0]
        self.groups: Sequence[Dataset] = dataset.PerFrameFunctionalGroupsSequence
        if len(self.groups) != int(dataset.NumberOfFrames):
            raise ValueError(
                f"{len(self.groups)} frames are described, and {dataset.NumberOfFrames} are there"
            )
        self.planes: dict[int, list[tuple[int, NDArray[np.bool_]]]] = {number: [] for number in numbers}
        kind = str(dataset.get("SegmentationType", "BINARY"))
        if kind == "LABELMAP":
            for place, frame in enumerate(iter_pixels(dataset, raw=True)):
                for number in numbers & set(np.unique(frame).tolist()):
                    self.planes[number].append((place, frame == number))
            return
        threshold = FRACTION_SHARE * int(dataset.MaximumFractionalValue) if kind == "FRACTIONAL" else 0
        of = [self._segment(group) for group in self.groups]
        wanted = [place for place, number in enumerate(of) if number in numbers]
        if not wanted:
            return  # none has frames of its own
        for place, frame in zip(wanted, _decoded(dataset, wanted), strict=True):
            if (mask := np.greater(frame, threshold)).any():
                self.planes[of[place]].append((place, mask))

    def _segment(self, group: Dataset) -> int:
        return int(_group(group, self.shared, "SegmentIdentificationSequence").ReferencedSegmentNumber)

    def mask(self, number: int) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Mask (S, H, W) of one segment and its (4, 4) affine to LPS mm; frames in any order, some left out."""
        if not self.planes[number]:
            return np.zeros((1, 1, 1), dtype=bool), np.eye(4)
        groups = [self.groups[place] for place, _ in self.planes[number]]
        origins = [
            np.array(
                _group(group, self.shared, "PlanePositionSequence").ImagePositionPatient, dtype=np.float64
            )
            for group in groups
        ]
        orientations = [
            np.array(
                _group(group, self.shared, "PlaneOrientationSequence").ImageOrientationPatient,
                dtype=np.float64,
            )
            for group in groups
        ]
        if any(np.abs(other - orientations[0]).max() > PARALLEL for other in orientations):
            raise ValueError(f"the frames of segment {number} are not parallel")
        measures = _group(groups[0], self.shared, "PixelMeasuresSequence")
        row_step, column_step = (float(value) for value in measures.PixelSpacing)
        declared = measures.get("SpacingBetweenSlices") or measures.get("SliceThickness")
        planes = [mask for _, mask in self.planes[number]]
        return stacked_mask(planes, origins, orientations[0], (row_step, column_step), declared)


def _decoded(dataset: Dataset, places: list[int]) -> Iterator[NDArray[np.number]]:
    """Frames (H, W) at these places.

    Bits that are not compressed run on from frame to frame (PS3.5 8.1.1), so a frame may begin within a byte, where
    pydicom's reading of single frames goes astray.
    """
    if int(dataset.BitsAllocated) != 1 or dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        yield from iter_pixels(dataset, raw=True, indices=places)
        return
    rows, columns, packed = int(dataset.Rows), int(dataset.Columns), dataset.PixelData
    if len(packed) * 8 < int(dataset.NumberOfFrames) * rows * columns:
        raise ValueError(f"{len(packed)} bytes of pixels, {dataset.NumberOfFrames} frames need more")
    for place in places:
        first = place * rows * columns
        bits = unpack_bits(packed[first // 8 : (first + rows * columns + 7) // 8])
        yield bits[first % 8 : first % 8 + rows * columns].reshape(rows, columns)


def _refuse_absurd_frames(dataset: Dataset) -> None:
    """A decoder makes room for what is declared, and for what a compressed stream itself announces."""
    declared = (int(dataset.Rows), int(dataset.Columns))
    if declared[0] * declared[1] > FRAME_PIXELS_MAX:
        raise ValueError(
            f"frames of {declared[0]} x {declared[1]}; at most {FRAME_PIXELS_MAX} pixels are read"
        )
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        for size in frame_sizes(dataset):
            if size is not None and (size.rows, size.columns) != declared:
                raise ValueError(f"a compressed frame is {size.rows} x {size.columns}, declared {declared}")


def stacked_mask(
    planes: list[NDArray[np.bool_]],
    origins: list[NDArray[np.float64]],
    orientation: NDArray[np.float64],
    pixel_spacing_mm: tuple[float, float],
    declared_spacing_mm: float | None,
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Mask (S, H, W) and its (4, 4) affine to LPS mm from planes (H, W) in any order, some left out.

    Planes that are moved within themselves (a tilted gantry, frames cut to what they show) are put back to the
    nearest pixel.

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
    origin = origins[int(np.argmin(heights))]
    planes, origin = _aligned(planes, origins, origin, along_column * row_step, along_row * column_step)
    shape = (int(slots.max()) + 1, *planes[0].shape)
    if math.prod(shape) > VOXELS_MAX:
        raise ValueError(f"a segment of {shape} voxels; at most {VOXELS_MAX} are accepted")
    mask3d = np.zeros(shape, dtype=bool)
    for slot, mask in zip(slots, planes, strict=True):
        mask3d[slot] |= mask
    affine = np.eye(4)
    affine[:3, 0] = normal * spacing
    affine[:3, 1] = along_column * row_step  # next row: along the column direction (PS3.3 C.7.6.2.1.1)
    affine[:3, 2] = along_row * column_step
    affine[:3, 3] = origin
    return mask3d, affine


def _aligned(
    planes: list[NDArray[np.bool_]],
    origins: list[NDArray[np.float64]],
    origin: NDArray[np.float64],
    row_step: NDArray[np.float64],
    column_step: NDArray[np.float64],
) -> tuple[list[NDArray[np.bool_]], NDArray[np.float64]]:
    """Planes (H, W) whose first pixels all lie above `origin` (3,) LPS mm, and where that then is."""
    steps = np.array([row_step, column_step])
    lengths_mm = np.linalg.norm(steps, axis=1)
    moved_mm = (np.array(origins) - origin) @ (steps / lengths_mm[:, None]).T
    if np.abs(moved_mm).max() <= SHIFT_MM:
        return planes, origin
    moved = np.rint(moved_mm / lengths_mm).astype(int)
    first = moved.min(axis=0)
    size = np.array(planes[0].shape) + moved.max(axis=0) - first
    if size.max() > PLANES_MAX or len(planes) * math.prod(size.tolist()) > VOXELS_MAX:
        raise ValueError(
            f"its planes are moved by up to {np.ptp(moved_mm, axis=0).max():.0f} mm within themselves"
        )
    placed = []
    for mask, (row, column) in zip(planes, moved - first, strict=True):
        whole = np.zeros(tuple(size), dtype=bool)
        whole[row : row + mask.shape[0], column : column + mask.shape[1]] = mask
        placed.append(whole)
    return placed, origin + first @ steps


def _group(frame: Dataset, shared: Dataset, name: str) -> Dataset:
    """A functional group of one frame: its own, else the shared one."""
    found = frame.get(name) or shared.get(name)
    if not found:
        raise ValueError(f"a frame has no {name}")
    return found[0]
