"""A training whose loss is no longer a number: said in one line, and the batch kept for inspection."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import Tensor

from models.dataset import Batch
from models.errors import OsteoGateError


class TrainingDivergedError(OsteoGateError):
    """The loss or its gradient stopped being a number; the message names epoch and batch."""


def keep_batch(file: Path, batch: Batch, augmented: Tensor, *, epoch: int, number: int) -> Path | None:
    """Write the batch as NumPy's .npz; None when the disk does not take it (the loss is the news, not the disk).

    Holds `crops` as read and `augmented` as the network saw them, (N, C, H, W) int16 HU, `acquisition` (N, 3),
    `labels` (N, 2), `rows` (N,) numbers in the store's index, `epoch` and `batch`. No identifier of a patient.
    """
    partial = file.with_name(f".{file.name}.partial")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as stream:
            np.savez_compressed(
                stream,
                crops=batch.crops.numpy(),
                augmented=augmented.cpu().numpy(),
                acquisition=batch.acquisition.numpy(),
                labels=batch.labels.numpy(),
                rows=batch.rows,
                epoch=epoch,
                batch=number,
            )
        partial.replace(file)
    except OSError:
        partial.unlink(missing_ok=True)
        return None
    return file
