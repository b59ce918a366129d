"""Many seeded cases in worker processes that may die or hang, each case with its outcome in a journal."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path

import structlog

from tests.fuzz import limits, one_case
from tests.fuzz.one_case import Corpus, Intake, Outcome, run_case
from tests.fuzz.report import Report

SILENT_SECONDS = 300.0  # wall clock of a machine that may be busy; a case's own limit is of processor time
Progress = Callable[[Report], None]


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
    journal: Path | None = None,
    progress: Progress | None = None,
    spoil: bool = False,
) -> Report:
    """Cases `first` to `first + count - 1` of a seed (fewer when `seconds` are over).

    Parameters
    ----------
    journal
        A file with a line for each case; cases that it holds are not run again.
    progress
        Called after every case.
    spoil
        Breaks the intake on purpose, for the test of the harness itself.
    """
    report = Report(seed)
    known = _read_journal(journal, seed) if journal is not None else {}
    for number in range(first, first + count):
        if number in known:
            report.add(known[number])
    todo = deque(number for number in range(first, first + count) if number not in known)
    started = time.monotonic()

    def done(outcome: Outcome) -> None:
        report.add(outcome)
        if journal is not None:
            with journal.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"seed": seed, **asdict(outcome)}) + "\n")
        if progress is not None:
            progress(report)

    with tempfile.TemporaryDirectory() as scratch:
        pool = [
            _start(corpus, Path(scratch) / f"{name}", seed, spoil) for name in range(workers if todo else 0)
        ]
        try:
            while pool:
                links = {worker.link: worker for worker in pool}
                for ready in wait(list(links), timeout=1.0):
                    _answered(links[ready], done)  # type: ignore[index]
                for worker in list(pool):
                    if worker.number is not None and time.monotonic() - worker.since > SILENT_SECONDS:
                        _lost(worker, done, "hang")
                    if worker.process.exitcode is not None or worker.number == -1:
                        pool.remove(worker)
                        if not worker.since:
                            raise RuntimeError("a worker ended before its first case")
                        if worker.number is not None and worker.number >= 0:
                            _lost(worker, done, "crash")
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


def _read_journal(journal: Path, seed: str) -> dict[int, Outcome]:
    known: dict[int, Outcome] = {}
    for line in journal.read_text(encoding="utf-8").splitlines() if journal.exists() else ():
        try:
            values = json.loads(line)
        except ValueError:
            continue  # the line of a campaign that was killed in the middle of it
        if values.pop("seed") == seed:
            known[values["number"]] = Outcome(**{**values, "codes": tuple(values["codes"])})
    return known


def _start(corpus: Path, scratch: Path, seed: str, spoil: bool) -> _Worker:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_work, args=(there, corpus, scratch, seed, spoil), daemon=True)
    process.start()
    there.close()
    return _Worker(process, here)


def _answered(worker: _Worker, done: Callable[[Outcome], None]) -> None:
    try:
        outcome = worker.link.recv()
    except EOFError:
        worker.process.join(10)
        return
    if outcome is not None:
        done(outcome)
    worker.number, worker.since = None, time.monotonic()


def _lost(worker: _Worker, done: Callable[[Outcome], None], result: str) -> None:
    assert worker.number is not None
    worker.process.kill()
    worker.process.join(10)
    done(Outcome(worker.number, result=result, detail=f"the process ended with {worker.process.exitcode}"))
    worker.number = -1


# ------------------------------------------------------------------------------------------ in the worker


def _work(link: Connection, corpus_folder: Path, scratch: Path, seed: str, spoil: bool) -> None:
    """Answer case numbers with outcomes until None comes."""
    quiet()
    corpus, intake = Corpus.load(corpus_folder), Intake.load()
    for number in range(24):  # imports and caches are not the first case's
        run_case(corpus, scratch, "warm-up", number, intake)
    limits.allow_memory()
    if spoil:
        _spoil()
    link.send(None)
    while (number := link.recv()) is not None:
        link.send(run_case(corpus, scratch, seed, number, intake))


def quiet() -> None:
    """No log lines, and nothing of what decoders write past Python to the error stream."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _spoil() -> None:
    """From now on case 0 crashes, 1 asks for 2 GB, 2 never ends, 3 ends the process."""

    def drawn(
        _rng: object, _corpus: object, _data: object, outcome: Outcome, _intake: object
    ) -> Callable[[], None]:
        def judge() -> None:
            if outcome.number == 0:
                raise IndexError("spoilt")
            if outcome.number == 1:
                bytearray(2 << 30)
            if outcome.number == 3:
                os._exit(139)
            while True:
                pass

        return judge

    one_case._drawn = drawn
    limits.SECONDS_MAX = 0.3
