"""Where the slices of a series lie: spacing, gaps, doubles, tilt, and the affine, from positions only."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.ingest_dicom.headers import Header
from models.refusal import Code, Refusal

# Cosines are written with 6 digits or so; 0.0005 is 0.03 degrees.
COSINE_TOLERANCE = 5e-4
SAME_POSITION_MM = 0.01
PLANES = ("sagittal", "coronal", "axial")  # the plane whose normal is x, y, z (LPS)


@dataclass(frozen=True, eq=False)
class StackGeometry:
    """Geometry of a series; NaN where there is nothing to measure.

    Attributes
    ----------
    order
        Indices into the files, sorted by position along the slice normal; () without geometry.
    placed
        Every slice has orientation, position and pixel spacing.
    consistent
        Slices agree in orientation, matrix and pixel spacing.
    slice_spacing_mm, deviation_mm
        Median step along the normal; largest deviation of a step from a whole number of steps.
    slice_count, gap_count, duplicate_count
        Distinct positions, missing slices between them, slices at a position already taken.
    drift_mm
        Largest distance of a slice origin from the straight line through first and last.
    tilt_deg
        Largest of: normal to the nearest body axis, stack direction to normal.
    plane
        "axial", "coronal", "sagittal" or "".
    affine
        (4, 4) (slice, row, column) -> LPS mm of the sorted, even stack; None where there is none.
    """

    order: tuple[int, ...]
    placed: bool
    consistent: bool
    slice_spacing_mm: float
    deviation_mm: float
    slice_count: int
    gap_count: int
    duplicate_count: int
    drift_mm: float
    tilt_deg: float
    plane: str
    affine: NDArray[np.float64] | None

    def refusals(self, tolerance_mm: float) -> list[Refusal]:
        """Everything that keeps the slices from being one even stack."""
        if not self.placed:
            return [
                Refusal(Code.ORIENTATION_MISSING, "slices without orientation, position or pixel spacing")
            ]
        if not self.consistent:
            return [Refusal(Code.GEOMETRY_INCONSISTENT, "orientation, matrix or pixel spacing differ")]
        found = []
        if self.duplicate_count:
            found.append(Refusal(Code.SLICE_DUPLICATED, f"{self.duplicate_count} slices at a position taken"))
        if self.gap_count:
            found.append(
                Refusal(Code.SLICE_MISSING, f"{self.gap_count} slices missing between the first and last")
            )
        stray = max(self.deviation_mm, self.drift_mm)
        if stray > tolerance_mm:
            text = f"slice positions stray {stray:.2f} mm from an even stack (accepted: {tolerance_mm} mm)"
            found.append(Refusal(Code.GEOMETRY_INCONSISTENT, text))
        if self.affine is None and not found:
            found.append(Refusal(Code.TOO_FEW_SLICES, "one slice without a thickness"))
        return found


def stack_geometry(files: tuple[Header, ...], tolerance_mm: float) -> StackGeometry:
    """Geometry of the files of one series; names, numbers and declared spacings are not looked at."""
    orientations = [_axes(header.orientation) for header in files]
    known = [axes for axes in orientations if axes is not None]
    placed = len(known) == len(files) and all(
        header.position_mm is not None and header.pixel_spacing_mm is not None for header in files
    )
    consistent = bool(known) and _consistent(files, known)
    if not placed or not consistent:
        normal = known[0][2] if known else None
        return StackGeometry(
            order=(), placed=placed, consistent=consistent, slice_spacing_mm=math.nan, deviation_mm=math.nan,
            slice_count=len(files), gap_count=0, duplicate_count=0, drift_mm=math.nan,
            tilt_deg=_to_nearest_axis_deg(normal), plane=_plane(normal), affine=None,
        )  # fmt: skip
    row_axis, column_axis, normal = known[0]
    origins = np.array([header.position_mm for header in files], dtype=np.float64)
    heights = origins @ normal
    order = np.argsort(heights, kind="stable")
    steps = np.diff(heights[order])
    real = steps[steps > SAME_POSITION_MM]
    spacing = float(np.median(real)) if real.size else math.nan
    multiples = np.maximum(np.rint(real / spacing), 1.0) if real.size else real
    # a step counts as missing slices only when it is a whole number of steps: else spacing is uneven
    deviation = np.abs(real - multiples * spacing)
    gaps = int(np.sum((multiples - 1)[deviation <= max(tolerance_mm, 0.1 * spacing)])) if real.size else 0
    first, last = origins[order[0]], origins[order[-1]]
    line, drift, shear = _line(origins[order], heights[order], first, last, normal)
    header = files[order[0]]
    assert header.pixel_spacing_mm is not None
    step_mm = spacing if real.size else _thickness_mm(header)
    affine = None
    if math.isfinite(step_mm):
        affine = np.eye(4)
        affine[:3, 0] = line * step_mm
        affine[:3, 1] = column_axis * header.pixel_spacing_mm[0]
        affine[:3, 2] = row_axis * header.pixel_spacing_mm[1]
        affine[:3, 3] = first
        if real.size and not gaps:
            affine[:3, 0] = (last - first) / real.size
    return StackGeometry(
        order=tuple(int(index) for index in order),
        placed=True,
        consistent=True,
        slice_spacing_mm=spacing,
        deviation_mm=float(deviation.max()) if real.size else 0.0,
        slice_count=int(real.size) + 1,
        gap_count=gaps,
        duplicate_count=int(len(files) - real.size - 1),
        drift_mm=drift,
        tilt_deg=max(_to_nearest_axis_deg(normal), shear),
        plane=_plane(normal),
        affine=affine,
    )


def _axes(orientation: tuple[float, ...] | None) -> tuple[NDArray[np.float64], ...] | None:
    """Unit vectors (row direction, column direction, normal); None unless two orthogonal unit vectors."""
    if orientation is None:
        return None
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if min(lengths) < 0.9 or max(lengths) > 1.1 or abs(row @ column) > 0.01:
        return None
    row, column = row / lengths[0], column / lengths[1]
    normal = np.cross(row, column)
    return row, column, normal / np.linalg.norm(normal)


def _consistent(files: tuple[Header, ...], axes: list[tuple[NDArray[np.float64], ...]]) -> bool:
    if len({(header.rows, header.columns) for header in files}) > 1:
        return False
    stacked = np.array([np.concatenate(item[:2]) for item in axes])
    if np.abs(stacked - stacked[0]).max() > COSINE_TOLERANCE:
        return False
    spacings = np.array([header.pixel_spacing_mm for header in files if header.pixel_spacing_mm is not None])
    return not spacings.size or bool(np.abs(spacings - spacings[0]).max() <= 1e-3)


def _line(
    origins: NDArray[np.float64],
    heights: NDArray[np.float64],
    first: NDArray[np.float64],
    last: NDArray[np.float64],
    normal: NDArray[np.float64],
) -> tuple[NDArray[np.float64], float, float]:
    """Step direction per mm along the normal, largest drift off the line in mm, shear angle in degrees."""
    rise = float(heights[-1] - heights[0])
    if rise <= SAME_POSITION_MM:
        return normal, 0.0, 0.0
    line = (last - first) / rise
    off = origins - (first + np.outer(heights - heights[0], line))
    cosine = 1.0 / float(np.linalg.norm(line))
    return line, float(np.linalg.norm(off, axis=1).max()), math.degrees(math.acos(min(1.0, cosine)))


def _thickness_mm(header: Header) -> float:
    """Extent of a single slice: declared spacing, else declared thickness, else NaN."""
    for value in (abs(header.spacing_between_slices_mm), header.slice_thickness_mm):
        if math.isfinite(value) and value > 0:
            return value
    return math.nan


def _to_nearest_axis_deg(normal: NDArray[np.float64] | None) -> float:
    if normal is None:
        return math.nan
    return math.degrees(math.acos(min(1.0, float(np.abs(normal).max()))))


def _plane(normal: NDArray[np.float64] | None) -> str:
    return "" if normal is None else PLANES[int(np.abs(normal).argmax())]
