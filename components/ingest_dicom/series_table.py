"""The series table and the table of other files as Parquet with a schema version."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from components.ingest_dicom.series import CtSeries

SCHEMA_VERSION = 1


def write_series_table(rows: list[CtSeries], path: Path) -> None:
    """Write rows to Parquet, beside and renamed in."""
    raise NotImplementedError


def read_series_table(path: Path) -> pd.DataFrame:
    """The table as a frame with the columns of `CtSeries`.

    Raises
    ------
    SeriesTableError
        When the file is missing, not Parquet, or of another schema version.
    """
    raise NotImplementedError
