"""Reading a DICOM series as a volume: geometry from orientation and position only, per-slice rescale."""

from __future__ import annotations

import numpy as np

from components.ingest_dicom.geometry import stack_geometry
from components.ingest_dicom.pixels import read_hu
from components.ingest_dicom.scan import SeriesFiles
from components.ingest_dicom.volume import Volume
from models.refusal import Code, RefusedError, refuse

POSITION_TOLERANCE_MM = 0.1


def read_volume(series: SeriesFiles, *, position_tolerance_mm: float = POSITION_TOLERANCE_MM) -> Volume:
    """The series as one volume; slices sorted by position along the slice normal.

    A tilted stack is read as it is: its affine is sheared. Memory: one int16 volume and one slice.

    Parameters
    ----------
    position_tolerance_mm
        How far slice positions may stray from an even stack (rounding in headers is below 0.1 mm).

    Raises
    ------
    RefusedError
        With the codes of everything that keeps the slices from being one volume (ORIENTATION_MISSING,
        GEOMETRY_INCONSISTENT, SLICE_MISSING, SLICE_DUPLICATED, RESCALE_MISSING, FILE_TRUNCATED,
        PIXELS_UNREADABLE, TOO_FEW_SLICES).
    """
    broken = sum(header.truncated for header in series.files)
    if broken:
        raise refuse(Code.FILE_TRUNCATED, f"{broken} of {len(series.files)} files end before their data do")
    geometry = stack_geometry(series.files, position_tolerance_mm)
    refusals = geometry.refusals(position_tolerance_mm)
    if refusals or geometry.affine is None:
        raise RefusedError(*refusals)
    first = series.files[0]
    hu = np.empty((len(series.files), first.rows, first.columns), dtype=np.int16)
    for slice_index, file_index in enumerate(geometry.order):
        hu[slice_index] = read_hu(series.files[file_index])
    return Volume(hu=hu, affine=geometry.affine)
