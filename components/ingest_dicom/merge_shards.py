"""The parts of a sharded ingest as one intake, as if it had been read in one go."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from components.ingest_dicom.locations import (
    FILE_NAME,
    Locations,
    SeriesLocation,
    read_locations,
    write_locations,
)
from components.ingest_dicom.run import IngestSummary, write_manifest
from components.ingest_dicom.series import CtSeries
from components.ingest_dicom.series_table import (
    OtherRow,
    read_others_table,
    read_series_table,
    write_others_table,
    write_series_table,
)
from models.errors import InputError


class ShardsDoNotFitError(InputError):
    """Parts are missing, of different cohorts, or hold something twice."""


def merge_intakes(
    parts: Sequence[Path], identities: Sequence[Path], out: Path, identity: Path
) -> IngestSummary:
    """Tables, counts and locations of all parts, rows by patient and series.

    Parameters
    ----------
    parts, identities
        For each part the folder of its tables and that of its locations.json.

    Raises
    ------
    ShardsDoNotFitError
        A series, or a file, is in two parts, or the tables do not hold what the counts say.
    SeriesTableError, LocationsError
        A part is missing or damaged.
    """
    if not parts:
        raise ShardsDoNotFitError("no shard to merge; name at least one")
    series = _joined([read_series_table(part / "series.parquet") for part in parts], "series", "series")
    others = _joined([read_others_table(part / "others.parquet") for part in parts], "file", "file")
    summary = _summed([_manifest(part) for part in parts])
    if (len(series), len(others)) != (summary.series_count, summary.other_count):
        raise ShardsDoNotFitError(
            f"shards count {summary.series_count} series and {summary.other_count} other files, and list "
            f"{len(series)} and {len(others)}; ingest again"
        )
    places: dict[str, SeriesLocation] = {}
    paths: dict[str, str] = {}
    for folder in identities:
        located = read_locations(folder)
        places |= located.series
        paths |= located.others
    out.mkdir(parents=True, exist_ok=True)
    identity.mkdir(parents=True, exist_ok=True)
    records: list[Any] = series.sort_values(["patient", "series"]).to_dict("records")
    write_series_table([CtSeries(**row) for row in records], out / "series.parquet")
    rows: list[Any] = others.sort_values(["patient", "file"]).to_dict("records")
    write_others_table([OtherRow(**row) for row in rows], out / "others.parquet")
    write_locations(Locations(places, paths), identity / FILE_NAME)
    write_manifest(summary, out / "manifest.json")
    return summary


def _joined(tables: list[pd.DataFrame], key: str, what: str) -> pd.DataFrame:
    table = pd.concat(tables, ignore_index=True)
    twice = int(table[key].duplicated().sum())
    if twice:
        raise ShardsDoNotFitError(
            f"{twice} of {len(table)} {what} rows are in two shards; merge each shard once"
        )
    return table


def _manifest(part: Path) -> dict[str, object]:
    path = part / "manifest.json"
    try:
        document: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ShardsDoNotFitError(f"{path}: no counts of a shard ({error}); ingest it again") from error
    return document


def _summed(manifests: list[dict[str, object]]) -> IngestSummary:
    codes: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    seconds = 0.0
    for manifest in manifests:
        codes.update(manifest["others_by_code"])  # type: ignore[call-overload]
        seconds += float(str(manifest["seconds"]))
        counts.update({key: value for key, value in manifest.items() if isinstance(value, int)})
    names = (
        "file_count",
        "series_count",
        "series_file_count",
        "other_count",
        "segmentation_count",
        "patient_count",
    )
    return IngestSummary(
        **{name: counts[name] for name in names},
        others_by_code=dict(sorted(codes.items())),
        seconds=round(seconds, 2),
    )
