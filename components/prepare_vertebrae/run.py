"""The prepare step: accepted series into the crop store, with everything left out listed and counted."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import structlog
from numpy.typing import NDArray

from components.ingest_dicom.shards import Shard
from components.prepare_vertebrae.accepted_table import AcceptedSeries, read_accepted
from components.prepare_vertebrae.contact_sheet import contact_sheet, sheet_places
from components.prepare_vertebrae.image_statistics import STATISTICS
from components.prepare_vertebrae.params import PrepareParams
from components.prepare_vertebrae.series_crops import (
    LeftOut,
    SeriesCrops,
    lateral_offsets_mm,
    prepare_series,
)
from components.prepare_vertebrae.split import absent_vendors, assign_splits, refuse_absent_vendors
from models.crop_store import SPLITS, CropStoreWriter
from models.end_with_parent import end_with_parent
from models.errors import InputError, OsteoGateError
from models.levels import LEVELS
from models.refusal import NOT_LOOKED_FOR, Refusal
from models.write_failure import unwritten

SCHEMA_VERSION = 1
Progress = Callable[[int, int], None]
log = structlog.get_logger()


class PrepareWriteError(OsteoGateError):
    """A table or picture of the prepare step could not be written."""


class NothingPreparedError(InputError):
    """No accepted series gave a crop."""


@dataclass(frozen=True)
class PrepareSummary:
    """What the step did.

    Attributes
    ----------
    counts
        series = prepared + refused, levels = crops' levels + left out + those of refused series; crops and
        patients by split.
    codes
        How often each code left out a level or a series.
    flags
        How often each code flagged a series that was used all the same.
    warnings
        For people: a vendor absent from a split.
    """

    counts: dict[str, int]
    codes: dict[str, int]
    flags: dict[str, int]
    warnings: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class _Done:
    """What the counts and tables need of a series once its crops are in the store: memory stays small.

    Attributes
    ----------
    split
        "" when the series was refused.
    """

    series: str
    patient: str
    vendor: str
    split: str
    level_count: int
    crop_count: int
    left_out: list[LeftOut]
    flags: tuple[Refusal, ...]
    statistics: dict[str, float]

    @classmethod
    def of(cls, result: SeriesCrops) -> _Done:
        return cls(
            result.series,
            result.patient,
            result.vendor,
            str(result.rows[0]["split"]) if result.rows else "",
            len({row["level"] for row in result.rows}),
            len(result.rows),
            result.left_out,
            tuple(result.flags),
            result.statistics,
        )


def run(
    *,
    data: Path,
    intake: Path,
    accepted: Path,
    out: Path,
    key: bytes,
    params: PrepareParams,
    data_version: str,
    data_kind: str,
    only_split: str | None = None,
    segmented: Path | None = None,
    progress: Progress | None = None,
    workers: int | None = None,
    shard: Shard | None = None,
) -> PrepareSummary:
    """Write `out/crops` (crop store), refused, flagged and statistics.parquet, contact_sheet.png, manifest.json.

    The result is the same whatever `workers` (processes; None: one per CPU that may be used) is.

    Parameters
    ----------
    data, intake, accepted
        The cohort folder, the folder with locations.json, validation's accepted.parquet.
    key
        The site's key, for the split.
    segmented
        What the segment step wrote: label maps for series that came without levels.
    only_split
        Everybody belongs to this split: a cohort that a model is only judged on.
    shard
        Only this part of the patients, split as all are; `merge_shards` puts the parts together. It may be empty, and
        lack a vendor: that is judged of the whole.

    Raises
    ------
    AcceptedTableError, ValidationTableError, LocationsError
        When the inputs are missing, damaged or do not fit together.
    NothingPreparedError
        When every series was refused; an earlier store stays.
    CropStoreWriteError, PrepareWriteError
        Disk full and the like; an earlier store stays.
    """
    started = time.monotonic()
    series = read_accepted(accepted, intake, data, segmented)
    splits = (
        [only_split] * len(series)
        if only_split
        else assign_splits([x.patient for x in series], [x.vendor for x in series], params.split, key)
    )
    if shard is not None:
        mine = [number for number, one in enumerate(series) if shard.holds(one.patient)]
        series, splits = [series[number] for number in mine], [splits[number] for number in mine]
    capacity = sum(len(LEVELS) * len(lateral_offsets_mm(split, params)) for split in splits)
    results: list[_Done] = []
    shown = sheet_places(len(series))
    strips: list[tuple[str, dict[str, NDArray[np.int16]]]] = []
    writer = CropStoreWriter(
        out / "crops", capacity, params.geometry, data_version=data_version, data_kind=data_kind
    )
    with writer:
        for done, result in enumerate(_prepared(series, splits, params, workers), start=1):
            for crop, row in zip(result.crops, result.rows, strict=True):
                writer.add(crop, row)
            if result.rows and done - 1 in shown:
                strips.append(_strip(result))
            results.append(_Done.of(result))
            if progress is not None:
                progress(done, len(series))
        if not any(result.split for result in results):
            codes = ", ".join(sorted(_codes(results))) or "no series was accepted"
            if shard is None:
                raise NothingPreparedError(f"{accepted}: none of {len(series)} series gave a crop ({codes})")
        filled = ((result.vendor, result.split) for result in results if result.split)
        absent = [] if only_split or shard else absent_vendors(filled, params.split.used)
        refuse_absent_vendors(absent, params.split)  # inside: an earlier store stays
    warnings = tuple(
        f"no patient of vendor {vendor} in split {split}: the draw is random, see prepare.split"
        for vendor, split in absent
    )
    for warning in warnings:
        log.warning("split_without_vendor", text=warning)
    summary = PrepareSummary(
        _counts(results), _codes(results), _flags(results), warnings, time.monotonic() - started
    )
    _write_reports(out, results, strips, summary, data_version, data_kind, shard)
    return summary


def _prepared(
    series: list[AcceptedSeries], splits: list[str], params: PrepareParams, workers: int | None
) -> Iterator[SeriesCrops]:
    """Results in the order of `series`."""
    work = partial(prepare_series, params=params)
    processes = min(workers or len(os.sched_getaffinity(0)), max(1, len(series)))
    if processes == 1:
        yield from map(work, series, splits)
        return
    with ProcessPoolExecutor(processes, initializer=end_with_parent, initargs=(os.getpid(),)) as pool:
        yield from pool.map(work, series, splits, chunksize=2)


def _strip(result: SeriesCrops) -> tuple[str, dict[str, NDArray[np.int16]]]:
    """Title and middle slices of the crops at the body centre."""
    middle = {
        str(row["level"]): crop[crop.shape[0] // 2].copy()
        for crop, row in zip(result.crops, result.rows, strict=True)
        if row["lateral_offset_mm"] == 0.0
    }
    return f"{result.patient[:8]} {result.vendor} {result.rows[0]['split']}", middle


def _codes(results: list[_Done]) -> dict[str, int]:
    return dict(Counter(item.refusal.code.value for result in results for item in result.left_out))


def _flags(results: list[_Done]) -> dict[str, int]:
    return dict(Counter(flag.code.value for result in results for flag in result.flags))


def _counts(results: list[_Done]) -> dict[str, int]:
    """Counts that add up: series, levels, crops, and patients by split."""
    used = [result for result in results if result.split]
    crops: Counter[str] = Counter()
    patients: dict[str, set[str]] = {split: set() for split in SPLITS}
    for result in used:
        crops[result.split] += result.crop_count
        patients[result.split].add(result.patient)
    return {
        "series": len(results),
        "series_prepared": len(used),
        "series_refused": len(results) - len(used),
        "levels": len(results) * len(LEVELS),
        "levels_prepared": sum(result.level_count for result in used),
        "levels_left_out": sum(len(result.left_out) for result in used),
        "levels_of_refused_series": (len(results) - len(used)) * len(LEVELS),
        "patients_prepared": len({result.patient for result in used}),
        **{f"patients_{split}": len(patients[split]) for split in SPLITS},
        "crops": sum(crops.values()),
        **{f"crops_{split}": crops[split] for split in SPLITS},
    }


def _write_reports(
    out: Path,
    results: list[_Done],
    strips: list[tuple[str, dict[str, NDArray[np.int16]]]],
    summary: PrepareSummary,
    data_version: str,
    data_kind: str,
    shard: Shard | None,
) -> None:
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
    write_reports(out, refused, flagged, statistics, strips, manifest)


def write_reports(
    out: Path,
    refused: pd.DataFrame,
    flagged: pd.DataFrame,
    statistics: pd.DataFrame,
    strips: list[tuple[str, dict[str, NDArray[np.int16]]]],
    manifest: dict[str, Any],
) -> None:
    """What lies beside the crop store, the manifest last."""
    simulated = manifest["data_kind"] == "simulated"
    whose = "simulated phantoms, not patients" if simulated else "this site's patients"
    heading = f"Crops L1-L4 of {whose}: anterior left, head up; data version {manifest['data_version']}"
    _replace(out / "refused.parquet", _parquet(refused))
    _replace(out / "flagged.parquet", _parquet(flagged))
    _replace(out / "statistics.parquet", _parquet(statistics))
    _replace(out / "contact_sheet.png", contact_sheet(strips, heading))
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
