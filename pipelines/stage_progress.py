"""Progress of long work with the time that is left: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LINE_EVERY_S = 15.0


class StageProgress:
    """Progress of one stage. Use as a context manager; the object is called with (done, total, text).

    What was done before the first call (kept from an interrupted run) does not count for the time left.

    Parameters
    ----------
    quiet_s
        A stage that took less than this says nothing at its end.
    """

    def __init__(self, console: Console, name: str, *, quiet_s: float = 0.0) -> None:
        self.console, self.name, self._quiet_s = console, name, quiet_s
        self._bar: Progress | None = None
        if console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[text]}"),
                console=console,
                transient=True,
            )
            self._task = self._bar.add_task(name, total=None, text="")
        self._entered = self._latest = time.monotonic()
        self._first: tuple[int, float] | None = None

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        seconds = time.monotonic() - self._entered
        if kind is None and seconds > self._quiet_s:
            self.console.print(f"{self.name}: done in {duration(seconds)}", highlight=False, soft_wrap=True)

    def __call__(self, done: int, total: int, text: str = "") -> None:
        """Say how far the stage is; cheap enough to call for every item."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total, text=text)
            return
        now = time.monotonic()
        if self._first is None:
            self._first = done, now
        if now - self._latest < LINE_EVERY_S or done >= total:
            return
        self._latest = now
        left = ""
        first, since = self._first
        if done > first:
            seconds = (now - since) / (done - first) * (total - done)
            left = f", {duration(seconds)} left"
        self.console.print(
            f"{self.name}: {done} of {total}{left}{'; ' + text if text else ''}",
            highlight=False,
            soft_wrap=True,
        )


def duration(seconds: float) -> str:
    """For people: '45 s', '12 min', '3 h 5 min'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
