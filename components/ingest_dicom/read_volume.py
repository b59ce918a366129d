"""Reading a DICOM series as a volume: geometry from orientation and position only, per-slice rescale."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from components.ingest_dicom.geometry import stack_geometry
from components.ingest_dicom.guarded_file import OBJECT_BYTES_MAX
from components.ingest_dicom.headers import Header
from components.ingest_dicom.pixels import read_file_hu
from components.ingest_dicom.scan import SeriesFiles
from components.ingest_dicom.volume import Volume
from models.refusal import Code, RefusedError, refuse

POSITION_TOLERANCE_MM = 0.1


def read_volume(series: SeriesFiles, *, position_tolerance_mm: float = POSITION_TOLERANCE_MM) -> Volume:
    """The series as one volume; slices sorted by position along the slice normal.

    A tilted stack is read as it is: its affine is sheared. Frames of multi-frame objects are slices like any
    other, wherever in the series' files they are. Memory: one int16 volume and one slice.

    Parameters
    ----------
    position_tolerance_mm
        How far slice positions may stray from an even stack (rounding in headers is below 0.1 mm).

    Raises
    ------
    RefusedError
        With the codes of everything that keeps the slices from being one volume (ORIENTATION_MISSING,
        GEOMETRY_INCONSISTENT, SLICE_MISSING, SLICE_DUPLICATED, RESCALE_MISSING, FILE_TRUNCATED,
        PIXELS_UNREADABLE, TOO_FEW_SLICES, SIZE_IMPLAUSIBLE).
    """
    broken = sum(header.truncated for header in series.files)
    if broken:
        raise refuse(Code.FILE_TRUNCATED, f"{broken} of {len(series.files)} files end before their data do")
    slices = series.slices
    geometry = stack_geometry(slices, position_tolerance_mm)
    refusals = geometry.refusals(position_tolerance_mm)
    if refusals or geometry.affine is None:
        raise RefusedError(*refusals)
    rows, columns = slices[0].rows, slices[0].columns
    frames = max(len(header.frames) for header in series.files)
    if frames * rows * columns * 2 > OBJECT_BYTES_MAX:
        found = (
            f"one object of {frames} frames, {rows} x {columns}; at most {OBJECT_BYTES_MAX >> 20} MB are read"
        )
        raise refuse(Code.SIZE_IMPLAUSIBLE, found)
    hu = np.empty((len(slices), rows, columns), dtype=np.int16)
    places: dict[Path, list[tuple[Header, int]]] = {}
    for slice_index, index in enumerate(geometry.order):
        places.setdefault(slices[index].path, []).append((slices[index], slice_index))
    for of_file in places.values():
        of_file.sort(key=lambda place: place[0].frame or 0)  # a compressed object is decoded front to back
        for image, (_, slice_index) in zip(read_file_hu([one for one, _ in of_file]), of_file, strict=True):
            hu[slice_index] = image
    return Volume(hu=hu, affine=geometry.affine)
