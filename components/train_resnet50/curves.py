"""Learning curves as a PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from models.training_history import EpochRecord


def draw_curves(history: Sequence[EpochRecord], best_epoch: int, file: Path, *, simulated: bool) -> Path:
    """Loss (left) and validation error per vertebra (right) over epochs, the kept epoch marked."""
    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    losses, errors = figure.subplots(1, 2)
    epochs = [record.epoch for record in history]
    losses.plot(epochs, [record.train_loss for record in history], label="train (augmented)")
    losses.plot(epochs, [record.validation_loss for record in history], label="validation (averaged weights)")
    losses.set(xlabel="epoch", ylabel="loss (standardised, smooth L1)")
    losses.set_yscale("log")
    losses.axvline(best_epoch, color="0.5", linestyle=":", label=f"kept: epoch {best_epoch}")
    losses.legend(frameon=False)
    bmd = errors.plot(
        epochs, [record.validation_mae["bmd_g_cm2"] for record in history], color="C2", label="BMD, g/cm$^2$"
    )
    errors.set(xlabel="epoch", ylabel="BMD, mean absolute error, g/cm$^2$")
    right = errors.twinx()
    tbs = right.plot(epochs, [record.validation_mae["tbs"] for record in history], color="C3", label="TBS")
    right.set_ylabel("TBS, mean absolute error")
    errors.axvline(best_epoch, color="0.5", linestyle=":")
    errors.legend(handles=[*bmd, *tbs], frameon=False)
    figure.suptitle("Validation vertebrae" + (" of simulated phantoms" if simulated else ""), fontsize=10)
    partial = file.with_name(f".{file.name}")
    figure.savefig(partial, dpi=120, format="png")
    partial.replace(file)
    return file
