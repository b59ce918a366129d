"""What validation hands on: the accepted pairs and the quarantine, as Parquet with a schema version."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from models.errors import InputError
from models.refusal import Basis, Code

SCHEMA_VERSION = 1
_VERSION_KEY = b"osteogate.schema_version"

ACCEPTED_FILE = "accepted.parquet"
QUARANTINE_FILE = "quarantine.parquet"
DECISIONS_FILE = "series_choice.parquet"


class ValidationTableError(InputError):
    """A table of the validation step cannot be read, or is of another schema version."""


@dataclass(frozen=True)
class QuarantineRow:
    """One coded reason against one row of one table.

    Attributes
    ----------
    table
        series, dxa or pairing.
    key
        What names the row: series hash, `row N` of dxa.csv, or patient hash.
    patient, series
        Hashes, "" where there is none.
    dxa_row
        Line of dxa.csv, 0 where there is none.
    found
        What was found and what would be accepted.
    """

    table: str
    key: str
    patient: str
    series: str
    dxa_row: int
    code: Code
    basis: Basis
    found: str


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame as Parquet with the schema version of this step."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    metadata = {**(table.schema.metadata or {}), _VERSION_KEY: str(SCHEMA_VERSION).encode()}
    pq.write_table(table.replace_schema_metadata(metadata), path)


def quarantine_frame(rows: list[QuarantineRow]) -> pd.DataFrame:
    """Rows as a frame, codes as text."""
    columns = list(QuarantineRow.__annotations__)
    records = [[str(v) if isinstance(v, Code | Basis) else v for v in vars(row).values()] for row in rows]
    frame = pd.DataFrame(records, columns=columns)
    return frame.astype({column: "str" for column in columns if column != "dxa_row"} | {"dxa_row": "int64"})


def read_accepted(folder: Path) -> pd.DataFrame:
    """The accepted pairs, one row per patient, of a validation output folder.

    Columns: patient, series, vendor, model, kvp, kernel, kernel_class, slice_thickness_mm, slice_spacing_mm,
    pixel_spacing_mm, rows, columns, slice_count, contrast_image_hu, acquisition_date, exam_date, days_apart,
    dxa_device, device_family, sex, age_years, height_cm, weight_kg, bmi_kg_m2, bmd_l1_g_cm2 .. bmd_l1_l4_g_cm2
    (g/cm2, Hologic scale), tbs_l1 .. tbs_l1_l4, invalid_l1 .. invalid_l4 (bool), evaluable_levels.
    BMD and TBS of an invalid level are NaN.

    Raises
    ------
    ValidationTableError
        When the file is missing, damaged or of another schema version.
    """
    return _read(folder / ACCEPTED_FILE)


def read_quarantine(folder: Path) -> pd.DataFrame:
    """The quarantine of a validation output folder, with the columns of `QuarantineRow`.

    Raises
    ------
    ValidationTableError
        When the file is missing, damaged or of another schema version.
    """
    return _read(folder / QUARANTINE_FILE)


def read_decisions(folder: Path) -> pd.DataFrame:
    """The decision table of a validation output folder, with the columns of `choice_table.DecisionRow`.

    Raises
    ------
    ValidationTableError
        When the file is missing, damaged or of another schema version.
    """
    return _read(folder / DECISIONS_FILE)


def _read(path: Path) -> pd.DataFrame:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        reason = " ".join(str(error).split())
        raise ValidationTableError(f"{path}: cannot be read ({reason}); run the validate step") from error
    version = (table.schema.metadata or {}).get(_VERSION_KEY, b"none").decode()
    if version != str(SCHEMA_VERSION):
        raise ValidationTableError(f"{path}: schema version {version}; accepted: {SCHEMA_VERSION}")
    return table.to_pandas()
