"""Inspecting many series at the same time, so that one that brings its process down takes no other with it."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

import structlog

from components.ingest_dicom.geometry import stack_geometry
from components.ingest_dicom.inspect_series import inspect_series
from components.ingest_dicom.names import without_names
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import Pseudonymiser
from components.ingest_dicom.scan import Progress, SeriesFiles
from components.ingest_dicom.series import CtSeries, describe_series
from components.ingest_dicom.statistics import HuStatistics
from models.available_cpus import available_cpus
from models.end_with_parent import end_with_parent
from models.refusal import Code

log = structlog.get_logger()
# Below this many series a pool costs more than it saves (about one second to start).
POOL_FROM = 6


def inspect_all(
    series: Sequence[SeriesFiles],
    has_levels: Sequence[bool],
    pseudonymiser: Pseudonymiser,
    params: IngestParams,
    *,
    progress: Progress | None = None,
) -> list[CtSeries]:
    """The row of every series, in order. Each worker holds one volume at a time.

    A native decoder that crashes on damaged data ends its process: the series not done by then are read
    again each in a process of its own, and the one that crashes again is PIXELS_UNREADABLE.
    """
    jobs = [(item, pseudonymiser, params, levels) for item, levels in zip(series, has_levels, strict=True)]
    workers = min(params.workers or available_cpus(), len(jobs))
    rows: dict[int, CtSeries] = {}

    def done(index: int, row: CtSeries) -> None:
        rows[index] = row
        if progress is not None:
            progress(len(rows), len(jobs))

    if workers <= 1 or len(jobs) < POOL_FROM:
        for index, job in enumerate(jobs):
            done(index, _inspect(job))
        return [rows[index] for index in range(len(jobs))]
    with _processes(workers) as pool:
        futures = {pool.submit(_inspect, job): index for index, job in enumerate(jobs)}
        for future in as_completed(futures):
            try:
                done(futures[future], future.result())
            except BrokenProcessPool:
                log.warning("a reading process ended", series=_hash(jobs[futures[future]]))
    for index in sorted(set(range(len(jobs))) - set(rows)):
        with _processes(1) as pool:
            try:
                done(index, pool.submit(_inspect, jobs[index]).result())
            except BrokenProcessPool:
                done(index, _crashed(jobs[index]))
    return [rows[index] for index in range(len(jobs))]


def _processes(workers: int) -> ProcessPoolExecutor:
    # spawn: forking a process that runs threads (torch, gRPC) can deadlock
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(
        workers, mp_context=context, initializer=end_with_parent, initargs=(os.getpid(),)
    )


Job = tuple[SeriesFiles, Pseudonymiser, IngestParams, bool]


def _inspect(job: Job) -> CtSeries:
    series, pseudonymiser, params, has_levels = job
    return inspect_series(series, pseudonymiser, params, has_levels=has_levels)


def _crashed(job: Job) -> CtSeries:
    """The row of a series that no process survives reading: headers only."""
    series, pseudonymiser, params, has_levels = job
    row = describe_series(
        series,
        pseudonymiser,
        stack_geometry(series.slices, params.position_tolerance_mm),
        HuStatistics(),
        contrast_image_hu=float("nan"),
        unreadable_count=len(series.files),
        read_codes=Code.PIXELS_UNREADABLE.value,
        has_levels=has_levels,
    )
    return without_names(row, series.files[0].path)


def _hash(job: Job) -> str:
    return job[1].uid(job[0].identity)
