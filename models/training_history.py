"""What is kept of every epoch, and its file."""

from __future__ import annotations

import math

from pydantic import field_serializer, field_validator

from models.params import Section


class EpochRecord(Section):
    """One epoch, counted from 1.

    Attributes
    ----------
    train_loss, validation_loss
        Weighted smooth L1 on standardised labels; validation with the averaged weights.
    validation_mae
        Mean absolute error per vertebra in the targets' own units (g/cm2; TBS has none).
    learning_rate
        At the first step of the epoch.
    """

    epoch: int
    train_loss: float
    validation_loss: float
    validation_mae: dict[str, float]
    learning_rate: float
    seconds: float

    @field_serializer("validation_loss")
    def _no_infinity(self, value: float) -> float | None:
        return value if math.isfinite(value) else None  # JSON has no infinity

    @field_validator("validation_loss", mode="before")
    @classmethod
    def _infinity(cls, value: object) -> object:
        return math.inf if value is None else value
