"""A large simulated cohort straight to a crop store: the path of DICOM files without the files."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
import structlog
from numpy.typing import NDArray

import components
import models
from components.prepare_vertebrae.contact_sheet import contact_sheet
from components.prepare_vertebrae.series_crops import lateral_offsets_mm
from components.prepare_vertebrae.split import absent_vendors, assign_splits, refuse_absent_vendors
from components.prepare_vertebrae.stream_pool import in_processes
from components.prepare_vertebrae.stream_shards import Shard, make_shard, read_shard
from components.prepare_vertebrae.streamed_patient import (
    StreamedPatient,
    StreamParams,
    stream_hash,
)
from components.simulate_cohort.cohort_folder import refuse_target, whole_folder
from components.simulate_cohort.params import SimulateParams
from components.simulate_cohort.patient_folder import PatientTask
from components.simulate_cohort.simulate import plan_tasks
from models.crop_store import SPLITS, CropStoreWriter
from models.errors import InputError
from models.levels import LEVELS

SCHEMA_VERSION = 1
GENERATOR = "osteogate simulate --stream 1"
KEY = b"osteogate-streamed-cohort-split-key"  # phantoms: public, so that splits repeat
PATIENTS_PER_SHARD = 4
MOST_TRIED = 2  # times the patients asked for: beyond it, the parameters are at fault and not chance
SHEET_PATIENTS = 24
STORE, LATENTS, REFUSED, MANIFEST = "crops", "latents.parquet", "refused.parquet", "manifest.json"
# of a cohort on disk only; a streamed one has no planted defects and stores no DICOM
NOT_OF_STREAM = {"patients", "seed", "defects", "rle_share"}
SOURCES = ("simulate_cohort", "ingest_dicom", "validate_dicom", "prepare_vertebrae")

Progress = Callable[[int, int], None]
LeftOut = tuple[str, str, str, str, str]  # patient, vendor, level or "", code, what was found
log = structlog.get_logger()


class StreamRefusedError(InputError):
    """So many simulated patients are refused that no cohort comes together."""


@dataclass(frozen=True)
class StreamPlan:
    """Which patients a streamed cohort holds.

    Attributes
    ----------
    patients, seed
        Their number and what everything follows from; cohorts of different seeds share nobody.
    replace_refused
        Whether the next simulated patient on the same vendor's scanner takes the place of one who gives no crop
        (too few evaluable levels, say), so that the cohort has exactly `patients`.
    """

    patients: int
    seed: int
    simulate: SimulateParams
    params: StreamParams
    replace_refused: bool = True

    def tasks(self) -> list[PatientTask]:
        """The patients of a cohort of this seed and size, without planted defects."""
        sound = self.simulate.model_copy(update={"defects": {}, "rle_share": 0.0})
        return plan_tasks(self.patients, self.seed, sound)

    def recipe(self) -> dict[str, object]:
        """Everything that any byte of the result depends on."""
        return {
            "generator": GENERATOR,
            "code": stream_code(),
            "patients": self.patients,
            "seed": self.seed,
            "replace_refused": self.replace_refused,
            "simulate": self.simulate.model_dump(mode="json", exclude=NOT_OF_STREAM),
            "ingest": self.params.ingest.model_dump(mode="json", exclude={"workers"}),
            "validate": self.params.validate.model_dump(mode="json"),
            "prepare": self.params.prepare.model_dump(mode="json"),
        }

    @property
    def data_version(self) -> str:
        """32 hex digits over the recipe: the same recipe gives the same bytes."""
        return hashlib.sha256(json.dumps(self.recipe(), sort_keys=True).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class StreamSummary:
    """What was streamed.

    Attributes
    ----------
    patients
        Of the store, by split.
    codes
        How often each code left out a level, or a whole patient.
    replaced
        Patients who gave no crop and whose place another took.
    seconds
        Of this run; an earlier, interrupted one is not counted.
    """

    folder: Path
    data_version: str
    patients: dict[str, int]
    vendors: dict[str, int]
    crops: int
    codes: dict[str, int]
    replaced: int
    seconds: float


@cache
def stream_code() -> str:
    """16 hex digits over the sources that make a streamed patient."""
    folders = [Path(components.__path__[0]) / name for name in SOURCES]
    files = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    names = ("crop_store.py", "levels.py", "dxa_columns.py", "bone_reference.py", "refusal.py")
    files += [Path(models.__path__[0]) / name for name in names]
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.parent.name}/{path.name}".encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


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
        `out` is no folder, or is not empty and `overwrite` is false.
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
        places, replaced = _filled_places(
            plan, list(zip(tasks, splits, strict=True)), work, workers, progress
        )
        summary = _assemble(plan, places, replaced, work, out, started)
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


def _filled_places(
    plan: StreamPlan,
    jobs: list[tuple[PatientTask, str]],
    work: Path,
    workers: int | None,
    progress: Progress | None,
) -> tuple[list[tuple[Path, int]], list[LeftOut]]:
    """(shard file, patient index) for each place of the cohort, and those whose place another took."""
    places: dict[int, tuple[Path, int]] = {}
    replaced: list[LeftOut] = []
    waiting = dict(enumerate(jobs))
    spare, rounds, done = plan.patients, 0, 0
    while waiting:
        shards = _shards(waiting, work / "shards" / f"{rounds:02d}")
        refused: dict[int, list[LeftOut]] = {}
        processes = min(workers or len(os.sched_getaffinity(0)), len(shards))
        for outcome in in_processes(partial(make_shard, params=plan.params), shards, processes):
            done += outcome.patients
            for index, patient, vendor, left_out in outcome.refused if plan.replace_refused else ():
                refused[index] = [(patient, vendor, *entry) for entry in left_out]
                done -= 1
            if progress is not None:
                progress(done, plan.patients)
        file_of = {task.index: shard.path for shard in shards for task, _ in shard.jobs}
        again: dict[int, tuple[PatientTask, str]] = {}
        for place, (task, split) in waiting.items():
            if task.index in refused:
                replaced += refused[task.index]
                again[place] = (replace(task, index=spare), split)
                spare += 1
            else:
                places[place] = (file_of[task.index], task.index)
        if not places or spare > MOST_TRIED * plan.patients + PATIENTS_PER_SHARD:
            codes = ", ".join(sorted({entry[3] for entry in replaced}))
            raise StreamRefusedError(
                f"streamed cohort: {len(again)} of {len(waiting)} patients gave no crop ({codes}); "
                "check sections validate and prepare of params.yaml"
            )
        waiting, rounds = again, rounds + 1
    return [places[place] for place in sorted(places)], replaced


def _shards(jobs: dict[int, tuple[PatientTask, str]], folder: Path) -> list[Shard]:
    ordered = [jobs[place] for place in sorted(jobs)]
    starts = range(0, len(ordered), PATIENTS_PER_SHARD)
    return [
        Shard(folder / f"{start:06d}.npz", tuple(ordered[start : start + PATIENTS_PER_SHARD]))
        for start in starts
    ]


def _in_places(places: list[tuple[Path, int]]) -> Iterator[StreamedPatient]:
    """Patients in the order of their places; a shard is read once for a run of places."""
    held: tuple[Path | None, dict[int, StreamedPatient]] = (None, {})
    for path, index in places:
        if held[0] != path:
            held = (path, {item.index: item for item in read_shard(path)})
        yield held[1][index]


def _assemble(
    plan: StreamPlan,
    places: list[tuple[Path, int]],
    replaced: list[LeftOut],
    work: Path,
    out: Path,
    started: float,
) -> StreamSummary:
    """Shards into the store and the tables, one patient in memory at a time."""
    prepare = plan.params.prepare
    capacity = len(places) * len(LEVELS) * len(lateral_offsets_mm("train", prepare))
    latents: list[dict[str, str]] = []
    refused = list(replaced)
    strips: list[tuple[str, dict[str, NDArray[np.int16]]]] = []
    patients: Counter[str] = Counter()
    vendors: Counter[str] = Counter()
    crops = 0
    writer = CropStoreWriter(
        work / STORE, capacity, prepare.geometry, data_version=plan.data_version, data_kind="simulated"
    )
    with writer:
        for item in _in_places(places):
            refused += [(item.patient, item.vendor, *entry) for entry in item.left_out]
            if not item.rows:
                continue
            for crop, row in zip(item.crops, item.rows, strict=True):
                writer.add(crop, row)
            crops += len(item.rows)
            latents.append(item.latents)
            patients[str(item.rows[0]["split"])] += 1
            vendors[str(item.rows[0]["vendor"])] += 1
            if len(strips) < SHEET_PATIENTS:
                middle = {
                    str(row["level"]): crop[crop.shape[0] // 2].copy()
                    for crop, row in zip(item.crops, item.rows, strict=True)
                    if row["lateral_offset_mm"] == 0.0
                }
                strips.append((f"{item.patient[:8]} {item.vendor} {item.rows[0]['split']}", middle))
        if not crops:
            raise StreamRefusedError(f"streamed cohort: none of {plan.patients} patients gave a crop")
    _numbers(pd.DataFrame(latents)).to_parquet(work / LATENTS, index=False)
    columns = ["patient", "vendor", "level", "code", "found"]
    pd.DataFrame(refused, columns=columns).astype("str").to_parquet(work / REFUSED, index=False)
    heading = f"Crops L1-L4 of simulated phantoms, not patients; seed {plan.seed}, {plan.patients} patients"
    (work / "contact_sheet.png").write_bytes(contact_sheet(strips, heading))
    summary = StreamSummary(
        folder=out,
        data_version=plan.data_version,
        patients={split: patients[split] for split in SPLITS},
        vendors=dict(sorted(vendors.items())),
        crops=crops,
        codes=dict(sorted(Counter(entry[3] for entry in refused).items())),
        replaced=len({entry[0] for entry in replaced}),
        seconds=time.monotonic() - started,
    )
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "kind": "simulated",
        "data_version": summary.data_version,
        "patients": summary.patients,
        "vendors": summary.vendors,
        "crops": summary.crops,
        "codes": summary.codes,
        "replaced": summary.replaced,
        "recipe": plan.recipe(),
    }
    (work / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    return summary


def _numbers(texts: pd.DataFrame) -> pd.DataFrame:
    """Columns of numbers as numbers, an empty text among them as NaN; other columns as they are."""
    out = {}
    for name in texts.columns:
        filled = texts[name].where(texts[name] != "")
        numbers = pd.to_numeric(filled, errors="coerce")
        is_number = numbers.notna().any() and bool((numbers.notna() == filled.notna()).all())
        out[name] = numbers if is_number else texts[name].astype("str")
    return pd.DataFrame(out)
