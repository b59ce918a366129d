"""The headers of many files, on all cores: this process reads too while its helpers start."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

from components.ingest_dicom.headers import Header, OtherFile, read_header

# below this many files (about a second) a helper has hardly started when all is read
HELPERS_FROM = 2000
CHUNK = 50
# chunks that wait at a helper while this process reads one of its own
AHEAD = 2
# so that what waits at a helper always fits into the system's buffer (200 kB), and no send ever blocks
PATH_BYTES_MAX = 1000
_Read = list[Header | OtherFile]


def read_headers(
    paths: Sequence[Path],
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> _Read:
    """The header of every file, in order.

    What a helper had not read when it was ended from outside is read here.

    Parameters
    ----------
    workers
        Processes that read, this one included; None takes the number of CPUs.
    progress
        Called with (files read, files).
    """
    chunks = [paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)]
    done: dict[int, _Read] = {}
    pending = deque(range(len(chunks)))
    count = (workers or os.cpu_count() or 1) - 1 if len(paths) >= HELPERS_FROM else 0
    if any(len(os.fsencode(path)) > PATH_BYTES_MAX for path in paths):
        count = 0
    helpers = [_Helper.start() for _ in range(count)]
    try:
        while len(done) < len(chunks):
            for helper in helpers:
                helper.fill(pending, chunks)
            if pending:
                index = pending.pop()
                done[index] = [read_header(path) for path in chunks[index]]
            waiting = [helper for helper in helpers if helper.given]
            done.update(_results(waiting, pending, block=not pending))
            if progress is not None:
                progress(sum(map(len, done.values())), len(paths))
    finally:
        for helper in helpers:
            helper.end()
    return [header for index in range(len(chunks)) for header in done[index]]


@dataclass
class _Helper:
    """A process that reads the chunks it is given, in order."""

    process: SpawnProcess
    connection: Connection
    given: deque[int] = field(default_factory=deque)
    alive: bool = True

    @classmethod
    def start(cls) -> _Helper:
        # spawn: forking a process that runs threads (torch, gRPC) can deadlock
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(there,), daemon=True)
        process.start()
        there.close()
        return cls(process, here)

    def fill(self, pending: deque[int], chunks: Sequence[Sequence[Path]]) -> None:
        """Give it chunks from the front, as far as it may have them."""
        while self.alive and pending and len(self.given) < AHEAD:
            index = pending.popleft()
            self.given.append(index)
            try:
                self.connection.send([str(path) for path in chunks[index]])
            except OSError:
                self.lost(pending)

    def lost(self, pending: deque[int]) -> None:
        """It is gone: what it was given is to be read again."""
        self.alive = False
        pending.extendleft(self.given)
        self.given.clear()

    def end(self) -> None:
        self.connection.close()  # ends its loop
        self.process.join(5)
        if self.process.is_alive():
            self.process.kill()


def _results(helpers: list[_Helper], pending: deque[int], *, block: bool) -> Iterator[tuple[int, _Read]]:
    """Chunks that helpers have read by now; waits for one when there is nothing else to do."""
    ready = wait([helper.connection for helper in helpers], None if block else 0) if helpers else []
    for helper in helpers:
        if helper.connection in ready:
            try:
                read: _Read = helper.connection.recv()
                yield helper.given.popleft(), read
            except (EOFError, OSError):
                helper.lost(pending)


def _serve(connection: Connection) -> None:
    with suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            paths = connection.recv()
            connection.send([read_header(Path(path)) for path in paths])
