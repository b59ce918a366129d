"""The reference window: the answers that later months are compared with, and their model version."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from models.errors import InputError
from monitoring.features import FEATURES

SCHEMA_VERSION = 1
_KEY = b"osteogate.reference"
_NEEDED = ("study", "vendor", *(feature.name for feature in FEATURES))


class ReferenceUnreadableError(InputError):
    """No readable drift reference."""


@dataclass(frozen=True)
class Reference:
    """A reference window.

    Attributes
    ----------
    frame
        One row per study, columns as `monitoring.prediction_row.PredictionRow`.
    model_version
        The model that answered; outputs of another one are not comparable.
    data_kind
        simulated or site.
    recipe
        How it was made (seed, counts, code); '' when taken from real traffic.
    """

    frame: pd.DataFrame
    model_version: str
    data_kind: str
    created: datetime
    recipe: str = ""


def save_reference(path: Path, reference: Reference) -> None:
    """Write beside and rename in.

    Raises
    ------
    ReferenceUnreadableError
        When columns that are monitored are missing.
    """
    _require_columns(path, reference.frame)
    header = {
        "schema_version": SCHEMA_VERSION,
        "model_version": reference.model_version,
        "data_kind": reference.data_kind,
        "created": reference.created.astimezone(UTC).isoformat(),
        "recipe": reference.recipe,
    }
    table = pa.Table.from_pandas(reference.frame, preserve_index=False)
    table = table.replace_schema_metadata(
        {**(table.schema.metadata or {}), _KEY: json.dumps(header).encode()}
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    pq.write_table(table, partial)
    partial.replace(path)


def load_reference(path: Path) -> Reference:
    """Read a reference window.

    Raises
    ------
    ReferenceUnreadableError
        Missing file, not Parquet, not a reference, another schema version, or a monitored column missing.
    """
    try:
        table = pq.read_table(path)
    except FileNotFoundError as error:
        raise ReferenceUnreadableError(f"{path}: no drift reference; `osteogate run` makes one") from error
    except (OSError, pa.ArrowException) as error:
        raise ReferenceUnreadableError(
            f"{path}: not a Parquet file ({str(error).splitlines()[0]})"
        ) from error
    metadata = table.schema.metadata or {}
    if _KEY not in metadata:
        raise ReferenceUnreadableError(f"{path}: a table, but not a drift reference")
    header = json.loads(metadata[_KEY])
    if header.get("schema_version") != SCHEMA_VERSION:
        raise ReferenceUnreadableError(
            f"{path}: drift reference schema {header.get('schema_version')!r}; "
            f"this version reads {SCHEMA_VERSION}"
        )
    frame = table.to_pandas()
    _require_columns(path, frame)
    return Reference(
        frame=frame,
        model_version=header["model_version"],
        data_kind=header["data_kind"],
        created=datetime.fromisoformat(header["created"]),
        recipe=header["recipe"],
    )


def _require_columns(path: Path, frame: pd.DataFrame) -> None:
    missing = [name for name in _NEEDED if name not in frame.columns]
    if missing:
        raise ReferenceUnreadableError(f"{path}: drift reference without column(s) {', '.join(missing)}")
