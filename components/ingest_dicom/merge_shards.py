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
from components.ingest_dicom.run import IngestSummary, write_manifest, write_tables
from components.ingest_dicom.series import CtSeries
from components.ingest_dicom.series_table import (
    OtherRow,
    read_others_table,
    read_series_table,
)
from components.ingest_dicom.shards import Shard
from components.ingest_dicom.whole_intake import MANIFEST, make_intake_folder, whole_intake
from models.errors import InputError


class ShardsDoNotFitError(InputError):
    """Parts are missing, of different cohorts, or hold something twice."""


def merge_intakes(
    parts: Sequence[Path], identities: Sequence[Path], out: Path, identity: Path
) -> IngestSummary:
    """Tables, counts and locations of all parts: what one ingest of the whole would have written, byte for byte.

    Parameters
    ----------
    parts, identities
        For each part the folder of its tables and that of its locations.json, in any order.

    Raises
    ------
    ShardsDoNotFitError
        A part is missing, or there twice; a series or a file is in two; or the tables or the locations do not hold what
        the counts say.
    SeriesTableError, LocationsError
        A part is damaged.
    IntakeWriteError
        Disk full and the like; an earlier intake stays.
    """
    if not parts:
        raise ShardsDoNotFitError("no shard to merge; name at least one")
    manifests = [_manifest(part) for part in parts]
    _refuse_gaps(manifests)
    series = _joined([read_series_table(part / "series.parquet") for part in parts], "series", "series")
    others = _joined([read_others_table(part / "others.parquet") for part in parts], "file", "file")
    summary = _summed(manifests)
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
    if (set(places), set(paths)) != (set(series["series"]), set(others["file"])):
        raise ShardsDoNotFitError("locations.json of the shards are not of their tables; ingest again")
    make_intake_folder(out)
    records: list[Any] = series.to_dict("records")
    rows: list[Any] = others.to_dict("records")
    with whole_intake(out, identity) as (tables, places_folder):
        write_tables([CtSeries(**row) for row in records], [OtherRow(**row) for row in rows], tables)
        write_locations(Locations(places, paths), places_folder / FILE_NAME)
        write_manifest(summary, tables / MANIFEST)
    return summary


def shard_of(part: Path) -> Shard:
    """Which part of a division a folder of tables is; ShardsDoNotFitError where it is none."""
    shard = _manifest(part).get("shard")
    if not isinstance(shard, dict):
        raise ShardsDoNotFitError(f"{part}: not a shard of an ingest; ingest it again as one")
    return Shard(int(shard["number"]), int(shard["of"]))


def _refuse_gaps(manifests: list[dict[str, object]]) -> None:
    """Every part of one division into shards, once."""
    shards = [manifest.get("shard") for manifest in manifests]
    numbered = [(shard["number"], shard["of"]) for shard in shards if isinstance(shard, dict)]
    wanted = [(number, len(manifests)) for number in range(len(manifests))]
    if sorted(numbered) != wanted:
        found = ", ".join(f"{number}-of-{of}" for number, of in sorted(numbered)) or "none"
        raise ShardsDoNotFitError(
            f"{len(manifests)} intakes to merge are shards {found}; every shard of one division is needed once"
        )


def _joined(tables: list[pd.DataFrame], key: str, what: str) -> pd.DataFrame:
    """All rows; within a shard two may share a key (copies of a series without UIDs), over shards none."""
    seen: set[str] = set()
    for table in tables:
        twice = seen & set(table[key])
        if twice:
            raise ShardsDoNotFitError(f"{len(twice)} {what} rows are in two shards; merge each shard once")
        seen |= set(table[key])
    return pd.concat(tables, ignore_index=True)


def _manifest(part: Path) -> dict[str, object]:
    path = part / MANIFEST
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
