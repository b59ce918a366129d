"""Reading a DICOM series as a volume: geometry from orientation and position only, HU by per-slice rescale."""

from __future__ import annotations

from components.ingest_dicom.scan import SeriesFiles
from components.ingest_dicom.volume import Volume


def read_volume(series: SeriesFiles) -> Volume:
    """The series as one volume; slices sorted by position along the slice normal.

    Raises
    ------
    RefusedError
        With the codes of everything that keeps the slices from being one volume (ORIENTATION_MISSING,
        GEOMETRY_INCONSISTENT, SLICE_MISSING, SLICE_DUPLICATED, RESCALE_MISSING, FILE_TRUNCATED,
        PIXELS_UNREADABLE, TOO_FEW_SLICES).
    """
    raise NotImplementedError
