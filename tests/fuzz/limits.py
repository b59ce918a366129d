"""Seconds and memory of one case: measured, and ended when they are more than the promise."""

from __future__ import annotations

import resource
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from models.refusal import RefusedError

SECONDS_MAX = 5.0  # of processor time: the wall clock of a busy machine would accuse the innocent
MEMORY_MAX = 1 << 30

_swallowed: list[str] = []
_plain_init = RefusedError.__init__


class HungError(BaseException):
    """The case took more than its seconds; no `except Exception` may swallow it."""


@dataclass
class Spent:
    """What a case took.

    Attributes
    ----------
    seconds
        Of processor time.
    megabytes
        Resident memory at its highest, over what there was before.
    out_of_memory
        Refusals whose cause was a MemoryError: the file asked for more than it may have, and was answered.
    """

    seconds: float = 0.0
    megabytes: float = 0.0
    out_of_memory: str = ""


def allow_memory() -> None:
    """From now on this process may have `MEMORY_MAX` more address space than it has, and no more."""
    limit = int(_status("VmSize") * 1024) + MEMORY_MAX
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


@contextmanager
def measured(spent: Spent, seconds: float) -> Iterator[None]:
    """Run the body for at most `seconds` of processor time (then HungError), and measure it.

    Processor time passes only where something is reckoned: a case that waits for ever is the campaign's to end.
    """
    signal.signal(signal.SIGPROF, _hung)
    Path("/proc/self/clear_refs").write_text("5")  # the highest resident memory starts anew
    before, start = _status("VmRSS"), _processor_seconds()
    _swallowed.clear()
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        spent.seconds = _processor_seconds() - start
        spent.megabytes = (_status("VmHWM") - before) / 1024
        spent.out_of_memory = "; ".join(_swallowed)


def where() -> str:
    """The exception at hand and the project's lines that it passed, innermost first."""
    kind, error, trace = sys.exc_info()
    told = "" if error is None or isinstance(error, HungError) else f": {' '.join(str(error).split())[:200]}"
    passed = [
        f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(trace)
        if any(part in frame.filename for part in ("/components/", "/models/", "/pydicom/", "/nibabel/"))
    ]
    return f"{kind.__name__ if kind else ''}{told} @ {' <- '.join(reversed(passed[-4:]))}"


def _hung(signum: int, frame: FrameType | None) -> None:
    raise HungError


def _processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _status(name: str) -> float:
    """A kB figure of /proc/self/status."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return float(line.split()[1])
    return 0.0


def _watching_init(self: RefusedError, *refusals: object) -> None:
    if isinstance(sys.exc_info()[1], MemoryError):
        _swallowed.append(str(refusals))
    _plain_init(self, *refusals)  # type: ignore[arg-type]


RefusedError.__init__ = _watching_init  # type: ignore[method-assign]
