"""From the files of one series to its row of the series table, pixels included."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from components.ingest_dicom.aorta import aortic_lumen_hu
from components.ingest_dicom.geometry import StackGeometry, stack_geometry
from components.ingest_dicom.names import without_names
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pixels import read_hu
from components.ingest_dicom.pseudonym import Pseudonymiser
from components.ingest_dicom.read_volume import read_volume
from components.ingest_dicom.scan import SeriesFiles, is_localizer
from components.ingest_dicom.series import CtSeries, describe_series
from components.ingest_dicom.statistics import HuStatistics, hu_statistics, sample_indices
from components.ingest_dicom.volume import Volume
from models.refusal import Code, RefusedError


def inspect_series(
    series: SeriesFiles,
    pseudonymiser: Pseudonymiser,
    params: IngestParams,
    *,
    volume: Volume | None = None,
    has_levels: bool = False,
) -> CtSeries:
    """The row of one series; reads its pixels unless `volume` is given.

    Never raises for bad input: what is wrong is in the row (`read_codes` and the counts). A series that is
    no volume still gets HU statistics from those of its slices that can be read.
    """
    geometry = stack_geometry(series.slices, params.position_tolerance_mm)
    codes: list[Code] = []
    unreadable = 0
    if volume is None:
        try:
            volume = read_volume(series, position_tolerance_mm=params.position_tolerance_mm)
        except RefusedError as error:
            codes.extend(error.codes)
    if volume is not None:
        statistics = hu_statistics(volume.hu[sample_indices(volume.shape[0], params.statistics_slices)])
    else:
        statistics, more, unreadable = _loose_statistics(series, params.statistics_slices)
        codes.extend(more)
    row = describe_series(
        series,
        pseudonymiser,
        geometry,
        statistics,
        contrast_image_hu=_aorta_hu(series, geometry, volume),
        unreadable_count=unreadable,
        read_codes=" ".join(dict.fromkeys(codes)),
        has_levels=has_levels,
    )
    return without_names(row, series.files[0].path)


def _aorta_hu(series: SeriesFiles, geometry: StackGeometry, volume: Volume | None) -> float:
    if volume is None or geometry.plane != "axial" or any(map(is_localizer, series.slices)):
        return math.nan
    return aortic_lumen_hu(volume)


def _loose_statistics(series: SeriesFiles, wanted: int) -> tuple[HuStatistics, list[Code], int]:
    """Statistics of slices that do not make a volume, codes of those that cannot be read, their number."""
    readable: list[NDArray[np.int16]] = []
    codes: list[Code] = []
    slices = series.slices
    for index in sample_indices(len(slices), wanted):
        try:
            readable.append(read_hu(slices[index]))
        except RefusedError as error:
            codes.extend(error.codes)
    return hu_statistics(readable), codes, codes.count(Code.PIXELS_UNREADABLE)
