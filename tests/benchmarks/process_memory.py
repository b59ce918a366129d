"""Seconds and memory of a step in a process of its own, with all processes that it starts."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import psutil

from models.errors import OsteoGateError

LOOK_S = 0.2  # looking costs some milliseconds, which should not take from the step


@dataclass(frozen=True)
class Cost:
    """What a step took.

    Attributes
    ----------
    main_mb, largest_child_mb
        Peak resident memory of the step's own process, and of the largest that it started (0: none); 10^6 bytes.
    together_mb
        Peak of the sum over all at one moment; memory that they share counts in each, so this is an upper bound.
    processes
        At most so many at a time.
    """

    seconds: float
    main_mb: float
    largest_child_mb: float
    together_mb: float
    processes: int


def cost_of(step: Callable[..., None], *arguments: object) -> Cost:
    """Runs the step in a spawned process, so that nothing this one holds counts.

    Raises
    ------
    OsteoGateError
        What the step raised, or that it ended otherwise.
    """
    context = multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    process = context.Process(target=_timed, args=(results, step, arguments))
    process.start()
    assert process.pid is not None
    peaks, together, processes = {process.pid: 0.0}, 0.0, 0
    while process.is_alive():
        now = dict(_resident_mb(process.pid))
        for pid, (_, peak) in now.items():
            peaks[pid] = max(peak, peaks.get(pid, 0.0))
        together = max(together, sum(resident for resident, _ in now.values()))
        processes = max(processes, len(now))
        process.join(LOOK_S)
    name = step.__name__.strip("_")
    if process.exitcode != 0:
        raise OsteoGateError(f"{name}: ended with {process.exitcode}; its own words stand above")
    seconds, error = results.get()
    if error:
        raise OsteoGateError(f"{name}: {error}")
    main = peaks.pop(process.pid)
    return Cost(
        round(seconds, 2), round(main), round(max(peaks.values(), default=0.0)), round(together), processes
    )


def _timed(results: Any, step: Callable[..., None], arguments: tuple[object, ...]) -> None:
    start = perf_counter()
    try:
        step(*arguments)
    except OsteoGateError as error:
        results.put((0.0, str(error)))
    else:
        results.put((perf_counter() - start, ""))


def _resident_mb(pid: int) -> list[tuple[int, tuple[float, float]]]:
    """Resident memory now, and at most until now, of a process and all below it."""
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
    found = []
    for process in family:
        try:  # a process' own peak: getrusage's of children is that of the largest that has ended, at any depth
            status = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            continue  # ended
        kb = {
            line.split(":")[0]: int(line.split()[1]) for line in status.splitlines() if line.startswith("Vm")
        }
        if "VmRSS" in kb:  # not a zombie
            found.append((process.pid, (kb["VmRSS"] * 1.024e-3, kb["VmHWM"] * 1.024e-3)))
    return found
