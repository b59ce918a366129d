"""The headers of many files, on all cores: this process reads too while its helpers start."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path

from components.ingest_dicom.headers import Header, OtherFile
from components.ingest_dicom.read_header import read_header
from components.ingest_dicom.shared_values import SharedValues
from models.available_cpus import available_cpus

# below this many files (0.2 s) a helper has hardly started when all is read
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
    count = (workers or available_cpus()) - 1 if len(paths) >= HELPERS_FROM else 0
    if any(len(os.fsencode(path)) > PATH_BYTES_MAX for path in paths):
        count = 0
    helpers = [_Helper.start() for _ in range(count)]
    shared = SharedValues()
    try:
        while len(done) < len(chunks):
            for helper in helpers:
                helper.fill(pending, chunks)
            if pending:
                index = pending.pop()
                done[index] = [shared.share(read_header(path), path) for path in chunks[index]]
            for index, read in _results([helper for helper in helpers if helper.alive], pending):
                done[index] = [
                    shared.share(item, path) for item, path in zip(read, chunks[index], strict=True)
                ]
            if progress is not None:
                progress(sum(map(len, done.values())), len(paths))
    finally:
        for helper in helpers:
            helper.end()
    return [header for index in range(len(chunks)) for header in done[index]]


@dataclass
class _Helper:
    """A process that reads the chunks it is given, in order."""

    process: subprocess.Popen[bytes]
    connection: Connection
    given: deque[int] = field(default_factory=deque)
    ready: bool = False  # before it is, what it was given would wait for a busy machine to start it
    alive: bool = True

    @classmethod
    def start(cls) -> _Helper:
        # A bare Python: forking a process that runs threads (torch, gRPC) can deadlock, and what multiprocessing
        # spawns first imports all that this process began with. Its own group: an interrupt is this process' to hear.
        # What goes wrong in it is read here again, and said here.
        here, there = Pipe()
        start = f"from {__name__} import serve; serve({there.fileno()})"
        places = os.pathsep.join(place or os.curdir for place in sys.path)
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", start],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[there.fileno()],
            process_group=0,
            env={**os.environ, "PYTHONPATH": places},
        )
        there.close()
        return cls(process, here)

    def fill(self, pending: deque[int], chunks: Sequence[Sequence[Path]]) -> None:
        """Give it chunks from the front, as far as it may have them."""
        while self.ready and self.alive and pending and len(self.given) < AHEAD:
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
        self.connection.close()
        self.process.kill()  # it only reads, and nobody waits for what it may still read
        self.process.wait()


def _results(helpers: list[_Helper], pending: deque[int]) -> Iterator[tuple[int, _Read]]:
    """Chunks that helpers have read by now; waits for one when there is nothing else to do."""
    waited = not pending and any(helper.given for helper in helpers)
    heard = wait([helper.connection for helper in helpers], None if waited else 0) if helpers else []
    for helper in helpers:
        if helper.connection in heard:
            try:
                read: _Read | None = helper.connection.recv()
            except (EOFError, OSError):
                helper.lost(pending)
                continue
            if read is None:
                helper.ready = True
            else:
                yield helper.given.popleft(), read


def serve(descriptor: int) -> None:
    """In a helper: answer lists of paths with their headers, until the other end is closed."""
    connection = Connection(descriptor)
    with suppress(EOFError, OSError):
        connection.send(None)  # ready
        while True:
            paths = connection.recv()
            connection.send([read_header(Path(path)) for path in paths])
