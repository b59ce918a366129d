"""The prepare step: accepted series into the crop store, with everything left out listed and counted."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import structlog

from components.ingest_dicom.shards import Shard
from components.prepare_vertebrae.accepted_table import AcceptedSeries, read_accepted
from components.prepare_vertebrae.contact_sheet import (
    ContactSheet,
    Strip,
    codes_by_level,
    sheet_heading,
    sheet_places,
    strip_title,
)
from components.prepare_vertebrae.in_order import in_order
from components.prepare_vertebrae.params import PrepareParams
from components.prepare_vertebrae.prepared_counts import (
    PrepareSummary,
    SeriesDone,
    codes_of,
    counts_of,
    flags_of,
)
from components.prepare_vertebrae.reports import report_series
from components.prepare_vertebrae.series_crops import SeriesCrops, lateral_offsets_mm, prepare_series
from components.prepare_vertebrae.split import absent_vendors, assign_splits, refuse_absent_vendors
from models.available_cpus import available_cpus
from models.crop_store import CropStoreWriter
from models.end_with_parent import end_with_parent
from models.errors import InputError
from models.levels import LEVELS

# series a process that are begun or done before the oldest is written: enough that none waits for one that takes long
AHEAD = 4
Progress = Callable[[int, int], None]
log = structlog.get_logger()


class NothingPreparedError(InputError):
    """No accepted series gave a crop."""


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
    results: list[SeriesDone] = []
    shown = sheet_places(len(series))
    sheet = ContactSheet(sheet_heading(data_kind, data_version), len(series))
    writer = CropStoreWriter(
        out / "crops", capacity, params.geometry, data_version=data_version, data_kind=data_kind
    )
    with writer:
        for done, result in enumerate(_prepared(series, splits, params, workers), start=1):
            for crop, row in zip(result.crops, result.rows, strict=True):
                writer.add(crop, row)
            if done - 1 in shown:
                sheet.add(_strip(result))
            results.append(SeriesDone.of(result))
            if progress is not None:
                progress(done, len(series))
        if not any(result.split for result in results):
            codes = ", ".join(sorted(codes_of(results))) or "no series was accepted"
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
        counts_of(results), codes_of(results), flags_of(results), warnings, time.monotonic() - started
    )
    report_series(out, results, sheet, summary, data_version, data_kind, shard)
    return summary


def _prepared(
    series: list[AcceptedSeries], splits: list[str], params: PrepareParams, workers: int | None
) -> Iterator[SeriesCrops]:
    """Results in the order of `series`."""
    jobs = zip(series, splits, strict=True)
    processes = min(workers or available_cpus(), max(1, len(series)))
    if processes == 1:
        yield from (prepare_series(*job, params=params) for job in jobs)
        return
    with ProcessPoolExecutor(processes, initializer=end_with_parent, initargs=(os.getpid(),)) as pool:
        yield from in_order(pool, partial(_prepare, params), jobs, ahead=AHEAD * processes)


def _prepare(params: PrepareParams, job: tuple[AcceptedSeries, str]) -> SeriesCrops:
    return prepare_series(*job, params=params)


def _strip(result: SeriesCrops) -> Strip:
    """Middle slices of the crops at the body centre, and what was left out."""
    middle = {
        str(row["level"]): crop[crop.shape[0] // 2].copy()
        for crop, row in zip(result.crops, result.rows, strict=True)
        if row["lateral_offset_mm"] == 0.0
    }
    left_out = codes_by_level((item.level, item.refusal.code.value) for item in result.left_out)
    split = str(result.rows[0]["split"]) if result.rows else ""
    flags = tuple(flag.code.value for flag in result.flags) if result.rows else ()
    return Strip(strip_title(result.patient, result.vendor, split), middle, left_out, flags)
