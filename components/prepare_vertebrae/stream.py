"""A large simulated cohort straight to a crop store: the path of DICOM files without the files."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import structlog

from components.prepare_vertebrae.series_crops import lateral_offsets_mm
from components.prepare_vertebrae.split import absent_vendors, assign_splits, refuse_absent_vendors
from components.prepare_vertebrae.stream_places import Progress, filled_places
from components.prepare_vertebrae.stream_plan import StreamPlan
from components.prepare_vertebrae.stream_store import assemble
from components.prepare_vertebrae.stream_summary import MANIFEST, StreamSummary, write_manifest
from components.prepare_vertebrae.streamed_patient import stream_hash
from components.simulate_cohort.cohort_folder import refuse_target, whole_folder
from models.levels import LEVELS

KEY = b"osteogate-streamed-cohort-split-key"  # phantoms: public, so that splits repeat

log = structlog.get_logger()


def stream_cohort(
    plan: StreamPlan,
    out: Path,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
    overwrite: bool = False,
) -> StreamSummary:
    """Write `out/crops` (crop store), latents.parquet, refused.parquet, contact_sheet.png, manifest.json.

    Crops, rows and refusals are those of the same patients simulated as DICOM, ingested, validated and prepared,
    apart from the keyed ids. The folder appears complete or not at all; an interrupted stream leaves
    `.<name>.<seed>-<patients>.partial` beside it, and the same call goes on from there. Memory does not grow
    with the cohort but for its index.

    Parameters
    ----------
    workers
        Processes; by default one per CPU. The result does not depend on it.
    progress
        Called with (patients done, patients).

    Raises
    ------
    CohortExistsError
        `out` is no folder, or is not empty and `overwrite` is false, or it holds no streamed
        cohort.
    SplitError
        The numbers of `prepare.split` are not those of the cohort, or a vendor is absent where that is refused.
    StreamRefusedError
        Nobody, or too few, gave a crop.
    CohortWriteError, CropStoreWriteError
        Disk full, say.
    """
    started = time.monotonic()
    refuse_target(out, overwrite=overwrite, document=MANIFEST, what="streamed cohort")
    tasks = plan.tasks()
    ids = [stream_hash(task.index, plan.seed) for task in tasks]
    split_params = plan.params.prepare.split
    splits = assign_splits(ids, [task.vendor for task in tasks], split_params, KEY)
    filled = zip([task.vendor for task in tasks], splits, strict=True)
    refuse_absent_vendors(absent_vendors(filled, split_params.used), split_params)
    recipe = json.dumps(plan.recipe(), indent=2, sort_keys=True)
    with whole_folder(out, patients=plan.patients, seed=plan.seed, recipe=recipe) as work:
        _refuse_small_disk(work, plan, splits)
        places, replaced = filled_places(plan, list(zip(tasks, splits, strict=True)), work, workers, progress)
        summary = assemble(plan, places, replaced, work, out, started)
        write_manifest(work, plan, summary)
        shutil.rmtree(work / "shards")
    log.info("cohort streamed", patients=plan.patients, seed=plan.seed, seconds=round(summary.seconds, 1))
    return summary


def _refuse_small_disk(work: Path, plan: StreamPlan, splits: list[str]) -> None:
    """Say at once when the disk is too small."""
    geometry = plan.params.prepare.geometry
    crops = sum(len(LEVELS) * len(lateral_offsets_mm(split, plan.params.prepare)) for split in splits)
    needed = 3 * crops * geometry.slices * geometry.pixels**2 * 2  # shards, then the store as it is written
    free = shutil.disk_usage(work).free
    if free < needed:
        raise OSError(28, f"No space left on device: {needed} bytes needed, {free} free")
