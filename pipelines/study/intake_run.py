"""The study of the intake's rules: headers of many series, images of some patients, kept patient by patient."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from rich.console import Console

from components.prepare_vertebrae.stream_plan import StreamPlan
from components.prepare_vertebrae.stream_pool import in_processes
from models.errors import ParameterError
from pipelines.fingerprint import module_fingerprint
from pipelines.stage_progress import StageProgress
from pipelines.streaming import stream_plan
from pipelines.study.intake_headers import (
    HEADER_DEFECTS,
    Verdict,
    declared_series,
    expected_code,
    header_row,
    header_verdicts,
    scrubbed,
)
from pipelines.study.intake_images import ImageJob, PatientFacts, measure_patient
from pipelines.study.intake_result import DefectCount, HeaderCount, IntakeResult, intake_result

TUNING_SEED = (
    20240701  # the cut-offs of params.yaml, prepare.unmeasurable, were chosen on its first 240 patients
)
CHUNK = 200  # series whose rows are judged together
Progress = Callable[[int, int], None]


class IntakeSeedError(ParameterError):
    """A seed that may not be reported on."""


def run_intake_study(
    params_file: Path,
    profile: str | None,
    out: Path,
    *,
    seeds: list[int],
    patients: int,
    header_series: int,
    defect_series: int,
    root: Path,
    workers: int | None,
    commit: str | None,
    console: Console,
) -> IntakeResult:
    """Headers, planted header defects and images of every seed; measured patients are kept in `out`.

    Raises
    ------
    IntakeSeedError
        The tuning seed, or a seed twice.
    ParameterError
        Wrong keys or values in `params_file`.
    """
    refuse_tuning_seed(seeds)
    plans = [stream_plan(params_file, profile, patients=patients, seed=seed) for seed in seeds]
    headers = {}
    for plan in plans:
        with StageProgress(console, f"seed {plan.seed}: headers") as bar:
            headers[str(plan.seed)] = judged_headers(plan, header_series, progress=_telling(bar, "series"))
    defects = judged_defects(plans[0], defect_series)
    facts: list[PatientFacts] = []
    for plan in plans:
        with StageProgress(console, f"seed {plan.seed}: images") as bar:
            facts += measured_patients(
                plan,
                out,
                root=root,
                workers=workers,
                progress=_telling(bar, "patients"),
            )
    rules = plans[0].params
    own = rules.prepare.unmeasurable.model_dump(exclude={"endplate"})
    own |= {f"endplate {name}": value for name, value in rules.prepare.unmeasurable.endplate}
    limits = {name: float(value) for name, value in own.items()}
    limits["contrast_aorta_hu_max"] = rules.validate.contrast_aorta_hu_max
    return intake_result(
        facts, headers, defects, limits=limits, matrix=plans[0].simulate.matrix, commit=commit
    )


def _telling(bar: StageProgress, what: str) -> Progress:
    """The bar's progress, counted in these."""

    def tell(done: int, total: int) -> None:
        bar(done, total, what)

    return tell


def refuse_tuning_seed(seeds: list[int]) -> None:
    """Cut-offs are chosen on one seed and reported on others.

    Raises
    ------
    IntakeSeedError
    """
    if TUNING_SEED in seeds:
        raise IntakeSeedError(f"seed {TUNING_SEED}: the cut-offs were chosen on it; name any other seed")
    if len(set(seeds)) < len(seeds):
        raise IntakeSeedError("a seed is named twice; its patients would count twice")


def measured_patients(
    plan: StreamPlan, out: Path, *, root: Path, workers: int | None = None, progress: Progress | None = None
) -> list[PatientFacts]:
    """Facts of the plan's patients, in order; those that `out` holds from an earlier call are not made again.

    The file is named by everything that a measurement depends on, sources under `root` included, so that nothing
    stale is taken.
    """
    kept_in = out / f"measured-{plan.seed}-{_key(plan, root)}.jsonl"
    facts = {item.index: item for item in _kept(kept_in)}
    jobs = [
        ImageJob(index=index, seed=plan.seed, simulate=plan.simulate)
        for index in range(plan.patients)
        if index not in facts
    ]
    out.mkdir(parents=True, exist_ok=True)
    work = partial(measure_patient, params=plan.params)
    processes = min(workers or len(os.sched_getaffinity(0)), max(1, len(jobs)))
    with kept_in.open("a", encoding="utf-8") as lines:
        for item in in_processes(work, jobs, processes):
            lines.write(item.model_dump_json() + "\n")
            lines.flush()
            facts[item.index] = item
            if progress is not None:
                progress(len(facts), plan.patients)
    return [facts[index] for index in range(plan.patients)]


def judged_headers(plan: StreamPlan, series: int, *, progress: Progress | None = None) -> HeaderCount:
    """Verdicts on the headers of sound series, each as written and scrubbed, and on every planted header defect."""
    codes: dict[str, int] = {}
    refused, changed = 0, 0
    for start in range(0, series, CHUNK):
        indices = range(start, min(start + CHUNK, series))
        written, clean = _verdicts(plan, [(index, None) for index in indices])
        for one, two in zip(written, clean, strict=True):
            refused += bool(one.codes)
            changed += one.codes - one.by_words != two.codes - two.by_words
            for code in one.codes:
                codes[code.value] = codes.get(code.value, 0) + 1
        if progress is not None:
            progress(indices.stop, series)
    return HeaderCount(series=series, refused=refused, codes=codes, changed_by_scrubbing=changed)


def judged_defects(plan: StreamPlan, series: int) -> list[DefectCount]:
    """How many of `series` series with each planted defect get its code, as written and scrubbed."""
    counts = []
    for defect in HEADER_DEFECTS:
        written, clean = _verdicts(plan, [(index, defect) for index in range(series)])
        code = expected_code(defect)
        counts.append(
            DefectCount(
                defect=defect,
                code=code.value,
                series=series,
                caught=sum(code in item.codes for item in written),
                caught_scrubbed=sum(code in item.codes for item in clean),
                rests_on_words=all(code in item.by_words for item in written),
            )
        )
    return counts


def _verdicts(plan: StreamPlan, jobs: list[tuple[int, str | None]]) -> tuple[list[Verdict], list[Verdict]]:
    """Verdicts on series as written, and on the same series scrubbed."""
    series = [declared_series(index, plan.seed, plan.simulate, defect) for index, defect in jobs]
    rows = [header_row(item, plan.params.ingest) for item in series]
    clean = [header_row(scrubbed(item), plan.params.ingest) for item in series]
    return header_verdicts(rows, plan.params.validate), header_verdicts(clean, plan.params.validate)


def _kept(path: Path) -> Iterator[PatientFacts]:
    """What is kept; a line torn by a kill is left out and made again."""
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield PatientFacts.model_validate(json.loads(line))
        except ValueError:
            continue


def _key(plan: StreamPlan, root: Path) -> str:
    simulate = plan.simulate.model_dump_json(exclude={"patients", "seed", "defects", "rle_share"})
    sections = (plan.params.prepare.model_dump_json(), plan.params.validate.model_dump_json())
    parts = (module_fingerprint(root, "pipelines/study/intake_images.py"), simulate, *sections)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
