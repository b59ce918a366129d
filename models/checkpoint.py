"""The state of an interrupted training on disk."""

from __future__ import annotations

import hashlib
import json
import pickle
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from models.crop_store import CropStore
from models.errors import InputError
from models.train_params import TrainParams

_FREE_TO_CHANGE = {"threads", "device", "checkpoint_every"}  # do not change what is computed


class CheckpointError(InputError):
    """A checkpoint is damaged or belongs to another training."""


@dataclass(frozen=True)
class TrainingState:
    """Everything that a training needs to go on. `identity` says which training."""

    identity: str
    network: dict[str, Tensor]
    averaged: dict[str, Tensor]
    updates: int
    optimizer: dict[str, Any]
    schedule: dict[str, Any]
    best: dict[str, Tensor]
    best_epoch: int
    best_loss: float
    history: list[dict[str, Any]]


def identity(store: CropStore, params: TrainParams) -> str:
    """Hash of what makes two trainings the same: index and geometry of the data, and parameters."""
    content = hashlib.sha256()
    content.update(pd.util.hash_pandas_object(store.index, index=False).to_numpy().tobytes())
    content.update(store.header.model_dump_json().encode())
    content.update(
        json.dumps(params.model_dump(mode="json", exclude=_FREE_TO_CHANGE), sort_keys=True).encode()
    )
    return content.hexdigest()


def save_checkpoint(file: Path, state: TrainingState) -> None:
    """Write beside and rename in; an older checkpoint stays until the new one is whole."""
    partial = file.with_name(f".{file.name}.partial")
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.save({field.name: getattr(state, field.name) for field in fields(state)}, partial)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def load_checkpoint(file: Path, expected_identity: str) -> TrainingState:
    """The state in `file`.

    Raises
    ------
    CheckpointError
        Not a whole checkpoint, or one of other data or parameters.
    """
    try:
        state = TrainingState(**torch.load(file, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, TypeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"{file}: not a checkpoint ({reason}); remove it to train from the start"
        ) from error
    if state.identity != expected_identity:
        raise CheckpointError(
            f"{file}: checkpoint of other data or train parameters; remove it to train from the start"
        )
    return state
