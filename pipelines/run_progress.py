"""Progress of a run: bars on a terminal, a line per event elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from pipelines.step_records import StepRecord


class RunProgress:
    """Shows step records as they change. Use as a context manager."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.seen: dict[str, str] = {}
        self.bars: dict[str, TaskID] = {}
        self.progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[text]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()

    def show(self, records: dict[str, StepRecord]) -> None:
        """Update from the records as they are now."""
        for record in records.values():
            if record.state == "waiting":
                continue
            self._bar(record)
            if self.seen.get(record.name) != record.state:
                self.seen[record.name] = record.state
                self._line(record)

    def _bar(self, record: StepRecord) -> None:
        if record.state == "running" and record.name not in self.bars:
            self.bars[record.name] = self.progress.add_task(record.name, total=None, text="")
        if record.name not in self.bars:
            return
        bar = self.bars[record.name]
        if record.state != "running":
            self.progress.remove_task(bar)
            del self.bars[record.name]
        elif record.progress:
            done, total = record.progress["done"], record.progress["total"]
            self.progress.update(
                bar, completed=done, total=total, text=record.progress["text"] or f"{done}/{total}"
            )

    def _line(self, record: StepRecord) -> None:
        if record.state == "running":
            if not self.console.is_terminal:
                self.console.print(f"{record.name:<10} started")
            return
        detail = {
            "done": f"done in {record.seconds} s",
            "reused": "reused, unchanged",
            "failed": "failed",
        }.get(record.state, record.state)
        self.console.print(f"{record.name:<10} {detail}")
