"""Progress of a training: a bar on a terminal, one line an epoch elsewhere, or a caller's function."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Self

import structlog
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from models.training_history import EpochRecord

ProgressFunction = Callable[[int, int, str], None]
"""(done, total, text): batches done of all."""


class TrainingProgress:
    """A `models.training_run.Reporter`; use as a context manager.

    Parameters
    ----------
    wanted
        False shows nothing, True a bar or log lines, a function is called for every batch.
    on_epoch
        Called with every finished epoch.
    """

    def __init__(self, wanted: bool | ProgressFunction, on_epoch: Callable[[EpochRecord], None]) -> None:
        self._function = wanted if callable(wanted) else None
        self._bar: Progress | None = None
        if wanted is True and sys.stderr.isatty():
            self._bar = _bar()
        self._lines = wanted is True and self._bar is None
        self._on_epoch = on_epoch
        self._epochs = self._batches = 0
        self._latest = ""

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task("train", total=None, latest="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def started(self, epochs: int, batches: int, crops: int, device: str) -> None:
        self._epochs, self._batches = epochs, batches
        if self._lines:
            structlog.get_logger().info(
                "training", epochs=epochs, batches=batches, crops=crops, device=device
            )

    def batch(self, epoch: int, batch: int, loss: float) -> None:
        done, total = (epoch - 1) * self._batches + batch, self._epochs * self._batches
        text = f"epoch {epoch}/{self._epochs}{self._latest}"
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total, description=text)
        if self._function is not None:
            self._function(done, total, text)

    def epoch(self, record: EpochRecord) -> None:
        mae = record.validation_mae
        self._latest = f", validation MAE {mae['bmd_g_cm2']:.3f} g/cm2, TBS {mae['tbs']:.3f}"
        if self._lines:
            structlog.get_logger().info(
                "epoch",
                epoch=record.epoch,
                of=self._epochs,
                train_loss=round(record.train_loss, 4),
                validation_loss=round(record.validation_loss, 4),
                bmd_mae_g_cm2=round(mae["bmd_g_cm2"], 4),
                tbs_mae=round(mae["tbs"], 4),
                seconds=round(record.seconds, 1),
            )
        self._on_epoch(record)


def _bar() -> Progress:
    from rich.console import Console

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
