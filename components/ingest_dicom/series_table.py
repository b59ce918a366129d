"""The series table and the table of other files as Parquet with a schema version."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components.ingest_dicom.series import CtSeries
from models.errors import InputError

SCHEMA_VERSION = 3
VERSION_KEY, TABLE_KEY = b"osteogate.schema_version", b"osteogate.table"
ARROW_TYPES = {"str": pa.string(), "float": pa.float64(), "int": pa.int64(), "bool": pa.bool_()}


class SeriesTableError(InputError):
    """A table of the intake is missing, damaged or of another schema version."""


@dataclass(frozen=True)
class OtherRow:
    """One file that is in no series; `file`, `patient` and `series` are keyed hashes."""

    file: str
    code: str
    kind: str
    found: str
    patient: str
    series: str


def write_series_table(rows: list[CtSeries], path: Path) -> None:
    """Write rows to Parquet, beside and renamed in; an empty list makes a table of no rows."""
    _write("series", CtSeries, rows, path)


def write_others_table(rows: list[OtherRow], path: Path) -> None:
    """Write the files that are in no series."""
    _write("others", OtherRow, rows, path)


def read_series_table(path: Path) -> pd.DataFrame:
    """The table as a frame with the columns of `CtSeries`.

    Raises
    ------
    SeriesTableError
        When the file is missing, not Parquet, another table, or of another schema version.
    """
    return _read("series", CtSeries, path)


def read_others_table(path: Path) -> pd.DataFrame:
    """The table as a frame with the columns of `OtherRow`; raises like `read_series_table`."""
    return _read("others", OtherRow, path)


def _schema(name: str, row: Any) -> pa.Schema:
    columns = [pa.field(field.name, ARROW_TYPES[str(field.type)]) for field in fields(row)]
    return pa.schema(columns, metadata={VERSION_KEY: str(SCHEMA_VERSION).encode(), TABLE_KEY: name.encode()})


def _write(name: str, row: Any, rows: list[Any], path: Path) -> None:
    table = pa.Table.from_pylist([asdict(item) for item in rows], schema=_schema(name, row))
    partial = path.with_name(f".{path.name}.partial")
    pq.write_table(table, partial)
    partial.replace(path)


def _read(name: str, row: Any, path: Path) -> pd.DataFrame:
    try:
        table = pq.read_table(path)
    except FileNotFoundError as error:
        raise SeriesTableError(f"{path}: no such file; run the ingest step first") from error
    except (pa.ArrowException, OSError) as error:
        raise SeriesTableError(f"{path}: not a Parquet table ({' '.join(str(error).split())})") from error
    metadata = table.schema.metadata or {}
    found, version = metadata.get(TABLE_KEY, b"").decode(), metadata.get(VERSION_KEY, b"").decode()
    if (found, version) != (name, str(SCHEMA_VERSION)):
        raise SeriesTableError(
            f"{path}: found table {found or 'unknown'!r} of schema version {version or 'none'!r}; "
            f"{name!r} of version {SCHEMA_VERSION} is accepted: run the ingest step again"
        )
    missing = [field.name for field in fields(row) if field.name not in table.column_names]
    if missing:
        raise SeriesTableError(f"{path}: columns {', '.join(missing)} are missing; run the ingest step again")
    return table.to_pandas()
