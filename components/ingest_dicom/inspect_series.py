"""From the files of one series to its row of the series table, pixels included."""

from __future__ import annotations

from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import Pseudonymiser
from components.ingest_dicom.scan import SeriesFiles
from components.ingest_dicom.series import CtSeries
from components.ingest_dicom.volume import Volume


def inspect_series(
    series: SeriesFiles,
    pseudonymiser: Pseudonymiser,
    params: IngestParams,
    *,
    volume: Volume | None = None,
    has_levels: bool = False,
) -> CtSeries:
    """The row of one series; reads its pixels unless `volume` is given. Never raises for bad input:
    what is wrong is in the row (`read_codes` and the counts)."""
    raise NotImplementedError
