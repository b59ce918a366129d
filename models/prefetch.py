"""Batches read ahead in a thread of their own, so that the device never waits for the disk."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from queue import Empty, Full, Queue
from threading import Event, Thread

from models.dataset import Batch

_POLL_SECONDS = 0.1  # how soon the thread notices that nobody reads any more


def prefetched(batches: Iterator[Batch], *, depth: int = 2, pinned: bool = False) -> Generator[Batch]:
    """The same batches in the same order, up to `depth` of them read before they are asked for.

    Parameters
    ----------
    pinned
        Put them in page-locked memory, from which a GPU copies while it computes.

    Raises
    ------
    Exception
        Whatever reading raised, where the failed batch would have come.
    """
    queue: Queue[Batch | BaseException | None] = Queue(maxsize=depth)
    over = Event()

    def put(item: Batch | BaseException | None) -> None:
        while not over.is_set():
            try:
                queue.put(item, timeout=_POLL_SECONDS)
                return
            except Full:
                continue

    def read() -> None:
        try:
            for batch in batches:
                put(batch.pinned() if pinned else batch)
                if over.is_set():
                    return
            put(None)
        except BaseException as error:  # noqa: BLE001 - raised again where the batch is asked for
            put(error)

    thread = Thread(target=read, name="osteogate-prefetch", daemon=True)
    thread.start()
    try:
        while True:
            try:
                item = queue.get(timeout=_POLL_SECONDS)
            except Empty:
                continue
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        over.set()
        thread.join()
