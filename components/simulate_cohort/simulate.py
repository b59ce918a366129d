"""Simulating a whole cohort folder, in parallel over patients, and the same to the byte however many workers."""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import structlog
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from components.simulate_cohort.cohort_folder import refuse_target, whole_folder
from components.simulate_cohort.params import SimulateParams
from components.simulate_cohort.patient_folder import (
    FINDING_COLUMNS,
    PatientResult,
    PatientTask,
    make_patient,
)
from components.simulate_cohort.planned_defects import plan_defects
from components.simulate_cohort.scanner import vendor_order
from components.simulate_cohort.seeding import stream
from models.dxa_columns import DXA_COLUMNS

log = structlog.get_logger()
SCHEMA_VERSION = 1
GENERATOR = "osteogate simulate 1"
DEFECT_COLUMNS = ("patient_id", "series_instance_uid", "defect", "expected_code")


@dataclass(frozen=True)
class CohortSummary:
    """What was made: patients per vendor, planted defects by name, seconds it took."""

    folder: Path
    patients: int
    seed: int
    vendors: dict[str, int]
    defects: dict[str, int]
    seconds: float


def plan_tasks(patients: int, seed: int, params: SimulateParams) -> list[PatientTask]:
    """Vendor, defect and storage of every patient, drawn without looking at any patient."""
    vendors = vendor_order(patients, seed, params.vendor_mix)
    defects = plan_defects(patients, seed, params.defects)
    rle = set(stream(seed, "rle").permutation(patients)[: int(patients * params.rle_share + 0.5)].tolist())
    return [
        PatientTask(k, seed, vendors[k], defects.get(k), params.matrix, params.pixel_spacing_mm, k in rle)
        for k in range(patients)
    ]


def _one_thread() -> None:
    threadpool_limits(1)


def _results(tasks: list[PatientTask], root: Path, workers: int) -> Iterator[PatientResult]:
    if workers == 1:
        with threadpool_limits(1):
            for task in tasks:
                yield make_patient(task, root)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_one_thread) as pool:
        # Ctrl-C reaches the whole group; workers that inherit it blocked end with their patient, without tracebacks
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            futures = [pool.submit(make_patient, task, root) for task in tasks]
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            for future in futures:
                future.cancel()


def _write_csv(path: Path, columns: Iterable[str], rows: Iterable[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as target:
        writer = csv.DictWriter(target, list(columns), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _write_tables(root: Path, results: list[PatientResult], seed: int) -> None:
    ordered = sorted(results, key=lambda result: result.index)
    _write_csv(root / "dxa.csv", DXA_COLUMNS, [result.dxa for result in ordered if result.dxa is not None])
    _write_csv(root / "truth" / "latents.csv", ordered[0].latents, [result.latents for result in ordered])
    defects = [row for result in ordered for row in result.defects]
    _write_csv(root / "truth" / "defects.csv", DEFECT_COLUMNS, defects)
    findings = [row for result in ordered for row in result.findings]
    _write_csv(root / "truth" / "findings.csv", FINDING_COLUMNS, findings)
    document = {
        "schema_version": SCHEMA_VERSION,
        "kind": "simulated",
        "generator": GENERATOR,
        "seed": seed,
        "patients": len(ordered),
    }
    (root / "cohort.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def simulate_cohort(
    *,
    patients: int,
    seed: int,
    out: Path,
    params: SimulateParams,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    overwrite: bool = False,
) -> CohortSummary:
    """Simulate a cohort folder.

    Parameters
    ----------
    out
        Where the folder shall be; it appears complete or not at all. An interrupted run leaves
        `.<name>.<seed>-<patients>.partial` beside it, and the next run with the same arguments goes on from there.
    workers
        Processes; by default one per CPU. The result does not depend on it.
    progress
        Called with (patients done, patients).

    Raises
    ------
    CohortExistsError
        `out` is no folder, or is not empty and `overwrite` is false.
    CohortWriteError
        A file could not be written.
    """
    started = time.monotonic()
    refuse_target(out, overwrite=overwrite)
    tasks = plan_tasks(patients, seed, params)
    results: list[PatientResult] = []
    with whole_folder(out, patients=patients, seed=seed, recipe=params.model_dump_json()) as partial:
        for result in _results(tasks, partial, min(workers or os.cpu_count() or 1, patients)):
            results.append(result)
            if progress is not None:
                progress(len(results), patients)
        _write_tables(partial, results, seed)
        shutil.rmtree(partial / "parts")
    seconds = time.monotonic() - started
    vendors = Counter(result.vendor for result in results)
    defects = Counter(row["defect"] for result in results for row in result.defects)
    log.info("cohort simulated", patients=patients, seed=seed, seconds=round(seconds, 1))
    return CohortSummary(
        out, patients, seed, dict(sorted(vendors.items())), dict(sorted(defects.items())), seconds
    )
