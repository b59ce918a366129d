"""Many seeded cases in worker processes that may die or hang, each case with its outcome, and a report."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path

from tests.fuzz.one_case import JUDGE_EVERY, STEP_EVERY, Outcome, work

SILENT_SECONDS = (
    300.0  # wall clock of a machine that may be busy; a case's own limit is SECONDS_MAX of processor time
)
BROKEN = ("crash", "hang", "memory", "uncoded", "lost", "wrong")


@dataclass
class Report:
    """Outcomes of a campaign, counted."""

    seed: str
    results: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    mutations: Counter[str] = field(default_factory=Counter)
    broken: list[Outcome] = field(default_factory=list)
    bases: int = 0
    seconds_most: float = 0.0
    megabytes_most: float = 0.0

    @property
    def count(self) -> int:
        """Cases."""
        return sum(self.results.values())

    def add(self, outcome: Outcome) -> None:
        """Count one."""
        self.results[outcome.result] += 1
        self.codes.update(outcome.codes)
        self.mutations.update({part.split(" (")[0] for part in outcome.mutation.split("+")})
        self.seconds_most = max(self.seconds_most, outcome.seconds)
        self.megabytes_most = max(self.megabytes_most, outcome.megabytes)
        if outcome.result in BROKEN:
            self.broken.append(outcome)


@dataclass
class _Worker:
    process: multiprocessing.process.BaseProcess
    link: Connection
    number: int | None = None
    since: float = 0.0


def run_campaign(
    corpus: Path,
    *,
    seed: str,
    count: int,
    workers: int = 1,
    first: int = 0,
    seconds: float | None = None,
    spoil: bool = False,
) -> Report:
    """Cases `first` to `first + count - 1` of a seed (fewer when `seconds` are over).

    `spoil` breaks the intake on purpose, for the test of the harness itself.
    """
    report = Report(seed, bases=len(list((corpus / "single").iterdir())))
    todo, started = deque(range(first, first + count)), time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        pool = [_start(corpus, Path(scratch) / f"{name}", seed, spoil) for name in range(workers)]
        try:
            while pool:
                links = {worker.link: worker for worker in pool}
                for ready in wait(list(links), timeout=1.0):
                    _answered(links[ready], report)  # type: ignore[index]
                for worker in list(pool):
                    if worker.number is not None and time.monotonic() - worker.since > SILENT_SECONDS:
                        _lost(worker, report, "hang")
                    if worker.process.exitcode is not None or worker.number == -1:
                        pool.remove(worker)
                        if not worker.since:
                            raise RuntimeError("a worker ended before its first case")
                        if worker.number is not None and worker.number >= 0:
                            _lost(worker, report, "crash")
                        if todo:
                            pool.append(_start(corpus, Path(scratch) / f"{len(todo)}", seed, spoil))
                        continue
                    if worker.number is None and worker.since:
                        over = seconds is not None and time.monotonic() - started > seconds
                        if todo and not over:
                            worker.number, worker.since = todo.popleft(), time.monotonic()
                            worker.link.send(worker.number)
                        else:
                            worker.link.send(None)
                            worker.process.join(10)
                            pool.remove(worker)
        finally:
            for worker in pool:
                worker.process.kill()
    return report


def _start(corpus: Path, scratch: Path, seed: str, spoil: bool) -> _Worker:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=work, args=(there, corpus, scratch, seed, spoil), daemon=True)
    process.start()
    there.close()
    return _Worker(process, here)


def _answered(worker: _Worker, report: Report) -> None:
    try:
        outcome = worker.link.recv()
    except EOFError:
        worker.process.join(10)
        return
    if outcome is not None:
        report.add(outcome)
    worker.number, worker.since = None, time.monotonic()


def _lost(worker: _Worker, report: Report, result: str) -> None:
    assert worker.number is not None
    worker.process.kill()
    worker.process.join(10)
    found = f"the process ended with {worker.process.exitcode}"
    report.add(Outcome(worker.number, "?", "?", result, detail=found))
    worker.number = -1


def write_report(report: Report, path: Path, *, corpus: str) -> None:
    """The counts as Markdown."""
    lines = [
        "# Fuzzing of the intake",
        "",
        f"{report.count:,} mutated files and small series (seed `{report.seed}`) of {report.bases} sound files:",
        f"{corpus}. Each went through scan, header, pixels and the row of its",
        f"series, one in {JUDGE_EVERY} through validation's check of a series too, one in {STEP_EVERY} through the",
        "whole",
        "ingest step with its tables, in a process with 1 GB more address space than it started with and 5 s of",
        "processor time for a case.",
        "",
        "| outcome | cases |",
        "|---|---|",
        *(f"| {name} | {report.results[name]:,} |" for name in ("read", "refused", *BROKEN)),
        "",
        f"Longest case {report.seconds_most:.1f} s of processor time;",
        f"at most {report.megabytes_most:.0f} MB more than before it.",
        "`read`: at least one series became a volume of HU; `refused`: every file has a code of `models/refusal.py`;",
        "the other rows are broken promises and must be 0 (`uncoded`: no code, `lost`: counts do not add up, `wrong`:",
        "changed pixel bytes changed anything else).",
        "",
        "| code | cases in which it was given |",
        "|---|---|",
        *(f"| {code} | {number:,} |" for code, number in report.codes.most_common()),
        "",
        "| kind of damage | cases |",
        "|---|---|",
        *(f"| {name} | {number:,} |" for name, number in report.mutations.most_common()),
        "",
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
