"""Tables, picture and manifest that lie beside the crop store, each written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd

from components.ingest_dicom.shards import Shard
from components.prepare_vertebrae.contact_sheet import ContactSheet, later_pages
from components.prepare_vertebrae.image_statistics import STATISTICS
from components.prepare_vertebrae.prepared_counts import PrepareSummary, SeriesDone
from models.errors import OsteoGateError
from models.refusal import NOT_LOOKED_FOR
from models.write_failure import unwritten

SCHEMA_VERSION = 1


class PrepareWriteError(OsteoGateError):
    """A table or picture of the prepare step could not be written."""


def report_series(
    out: Path,
    results: Sequence[SeriesDone],
    sheet: ContactSheet,
    summary: PrepareSummary,
    data_version: str,
    data_kind: str,
    shard: Shard | None,
) -> None:
    """Write what became of every series.

    Raises
    ------
    PrepareWriteError
        Disk full, say; the earlier file stays.
    """
    refused = pd.DataFrame(
        [
            (result.patient, result.series, result.vendor, item.level, item.refusal.code, item.refusal.found)
            for result in results
            for item in result.left_out
        ],
        columns=["patient", "series", "vendor", "level", "code", "found"],
    ).astype("str")
    flagged = pd.DataFrame(
        [
            (result.patient, result.series, result.vendor, flag.code, flag.found)
            for result in results
            for flag in result.flags
        ],
        columns=["patient", "series", "vendor", "code", "found"],
    ).astype("str")
    statistics = pd.DataFrame(
        [
            (r.patient, r.series, r.vendor, *(r.statistics[name] for name in STATISTICS))
            for r in results
            if r.split
        ],
        columns=["patient", "series", "vendor", *STATISTICS],
    )
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "data_version": data_version,
        "data_kind": data_kind,
        "counts": summary.counts,
        "codes": summary.codes,
        "flags": summary.flags,
        "not_checked": NOT_LOOKED_FOR,
        "warnings": summary.warnings,
        "seconds": round(summary.seconds, 3),
        **({"shard": asdict(shard)} if shard else {}),
    }
    write_reports(out, refused, flagged, statistics, sheet, manifest)


def write_reports(
    out: Path,
    refused: pd.DataFrame,
    flagged: pd.DataFrame,
    statistics: pd.DataFrame,
    sheet: ContactSheet,
    manifest: dict[str, Any],
) -> None:
    """What lies beside the crop store, the manifest last."""
    _replace(out / "refused.parquet", _parquet(refused))
    _replace(out / "flagged.parquet", _parquet(flagged))
    _replace(out / "statistics.parquet", _parquet(statistics))
    pages = sheet.finished()
    for name, page in pages.items():
        _replace(out / name, page)
    for path in later_pages(out):
        if path.name not in pages:
            path.unlink()
    _replace(out / "manifest.json", json.dumps(manifest, indent=2).encode())


def _parquet(table: pd.DataFrame) -> bytes:
    buffer = BytesIO()
    table.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _replace(path: Path, content: bytes) -> None:
    """Write beside and rename in."""
    beside = path.with_name(f".{path.name}.partial")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise PrepareWriteError(f"{path}: not written {unwritten(error)}") from error
