"""Results of a pool of processes in the order of the jobs, with few of them held at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


def in_order(
    pool: Executor, function: Callable[[Job], Result], jobs: Iterable[Job], *, ahead: int
) -> Iterator[Result]:
    """The result of each job, in their order.

    Why not `Executor.map`: it begins all jobs, and while one takes long, or its result is being written, the results
    of all behind it pile up in memory, a whole cohort's if need be.

    Parameters
    ----------
    ahead
        Jobs that are begun, or done, before the oldest result has been taken.
    """
    begun: deque[Future[Result]] = deque()
    try:
        for job in jobs:
            begun.append(pool.submit(function, job))
            if len(begun) > ahead:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        for future in begun:
            future.cancel()
