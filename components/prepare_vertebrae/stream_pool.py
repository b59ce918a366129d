"""Work in processes of one thread each, that end with their parent, however it ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from models.end_with_parent import end_with_parent
from models.errors import OsteoGateError

Job = TypeVar("Job")
Result = TypeVar("Result")


class WorkerEndedError(OsteoGateError):
    """A worker process was ended from outside (out of memory, say)."""


def in_processes(function: Callable[[Job], Result], jobs: Sequence[Job], workers: int) -> Iterator[Result]:
    """Results in the order in which they are done; with one worker in this process.

    Raises
    ------
    WorkerEndedError
        What was done stays done; run again to go on.
    """
    if workers == 1:
        with threadpool_limits(1):
            yield from map(function, jobs)
        return
    # spawned, not forked: the parent may run threads (torch, gRPC), which do not survive a fork
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        workers, mp_context=context, initializer=_start_worker, initargs=(os.getpid(),)
    ) as pool:
        # Ctrl-C reaches the whole group; workers that inherit it blocked end with their job, without tracebacks
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            futures = [pool.submit(function, job) for job in jobs]
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise WorkerEndedError(
                "a worker process was ended from outside (out of memory?); run again to go on, or with fewer workers"
            ) from error
        finally:
            for future in futures:
                future.cancel()


def _start_worker(parent: int) -> None:
    threadpool_limits(1)
    end_with_parent(parent)
