"""A patient for every place of a streamed cohort: who gives no crop makes room for the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from components.prepare_vertebrae.stream_plan import StreamPlan
from components.prepare_vertebrae.stream_pool import in_processes
from components.prepare_vertebrae.stream_shards import Shard, make_shard
from components.simulate_cohort.patient_folder import PatientTask
from models.available_cpus import available_cpus
from models.errors import InputError

PATIENTS_PER_SHARD = 4
MOST_TRIED = 2  # times the patients asked for: beyond it, the parameters are at fault and not chance

Progress = Callable[[int, int], None]
Place = tuple[Path, int]  # shard file, patient index
LeftOut = tuple[str, str, str, str, str]  # patient, vendor, level or "", code, what was found


class StreamRefusedError(InputError):
    """So many simulated patients are refused that no cohort comes together."""


def filled_places(
    plan: StreamPlan,
    jobs: list[tuple[PatientTask, str]],
    work: Path,
    workers: int | None,
    progress: Progress | None,
) -> tuple[list[Place], list[LeftOut]]:
    """Where the patient of each place lies, and those whose place another took.

    Parameters
    ----------
    jobs
        (task, split) of each place.
    work
        Folder of the shards; those that are there already are kept.

    Raises
    ------
    StreamRefusedError
        Nobody of the first round gave a crop, or too many were tried.
    """
    places: dict[int, Place] = {}
    replaced: list[LeftOut] = []
    waiting = dict(enumerate(jobs))
    spare, rounds, done = plan.patients, 0, 0
    while waiting:
        shards = _shards(waiting, work / "shards" / f"{rounds:02d}")
        refused: dict[int, list[LeftOut]] = {}
        processes = min(workers or available_cpus(), len(shards))
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
