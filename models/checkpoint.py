"""The state of an interrupted training on disk."""

from __future__ import annotations

import hashlib
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

_ARCHITECTURE = {"arch", "windows_hu"}
_FREE_TO_CHANGE = {
    "threads",
    "device",
    "checkpoint_every",
    "patience",
    "absent_vendor",
}  # change no step that is computed


class CheckpointError(InputError):
    """A checkpoint is damaged or belongs to another training; the message says which and why."""


@dataclass(frozen=True)
class Identity:
    """What makes two trainings the same.

    Attributes
    ----------
    architecture
        What decides the shapes of the weights, apart from the crops.
    data
        Hash of the store's index and header (geometry and version of the data).
    data_version
        For the message.
    parameters
        The rest of section `train` but for what changes no computed step; of pretrained weights the hash.
    processes
        Number of processes that share each batch.
    """

    architecture: dict[str, Any]
    data: str
    data_version: str
    parameters: dict[str, Any]
    processes: int

    def difference(self, other: Identity) -> str | None:
        """What is not the same, `other` being here; None when nothing is."""
        changed = _changed(self.architecture, other.architecture)
        if changed:
            return f"of another architecture ({changed})"
        if self.data != other.data:
            return f"of other data (version {self.data_version}, here {other.data_version})"
        changed = _changed(self.parameters, other.parameters)
        if changed:
            return f"of other train parameters ({changed})"
        if self.processes != other.processes:
            return f"of {self.processes} processes (here {other.processes})"
        return None


def identity(store: CropStore, params: TrainParams, processes: int = 1) -> Identity:
    """Of the training that these crops and parameters make."""
    content = hashlib.sha256()
    content.update(pd.util.hash_pandas_object(store.index, index=False).to_numpy().tobytes())
    content.update(store.header.model_dump_json().encode())
    parameters = params.model_dump(mode="json", exclude=_FREE_TO_CHANGE | _ARCHITECTURE)
    if params.weights_file is not None and params.weights_file.is_file():
        with params.weights_file.open("rb") as stream:
            parameters["weights_file"] = hashlib.file_digest(stream, "sha256").hexdigest()[:16]
    return Identity(
        architecture=params.model_dump(mode="json", include=_ARCHITECTURE),
        data=content.hexdigest(),
        data_version=store.header.data_version,
        parameters=parameters,
        processes=processes,
    )


@dataclass(frozen=True)
class TrainingState:
    """Everything that a training needs to go on. `identity` says which training."""

    identity: Identity
    network: dict[str, Tensor]
    averaged: dict[str, Tensor]
    updates: int
    optimizer: dict[str, Any]
    schedule: dict[str, Any]
    best: dict[str, Tensor]
    best_epoch: int
    best_loss: float
    history: list[dict[str, Any]]


def save_checkpoint(file: Path, state: TrainingState) -> None:
    """Write beside and rename in; an older checkpoint stays until the new one is whole."""
    partial = file.with_name(f".{file.name}.partial")
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {field.name: getattr(state, field.name) for field in fields(state)}
    try:
        torch.save({**content, "identity": vars(state.identity)}, partial)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def load_checkpoint(file: Path, expected: Identity) -> TrainingState:
    """The state in `file`.

    Raises
    ------
    CheckpointError
        Not a whole checkpoint, or one of another architecture, other data, other parameters or another number
        of processes.
    """
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
        state = TrainingState(**{**content, "identity": Identity(**content["identity"])})
    except (
        OSError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
        EOFError,
        pickle.UnpicklingError,
    ) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"{file}: not a checkpoint ({reason}); remove it to train from the start"
        ) from error
    difference = state.identity.difference(expected)
    if difference is not None:
        raise CheckpointError(f"{file}: checkpoint {difference}; remove it to train from the start")
    return state


def _changed(then: dict[str, Any], now: dict[str, Any], prefix: str = "") -> str:
    """The first few keys that differ, with both values."""
    parts: list[str] = []
    for key in sorted({*then, *now}):
        before, here = then.get(key), now.get(key)
        if before == here:
            continue
        if isinstance(before, dict) and isinstance(here, dict):
            parts.append(_changed(before, here, f"{prefix}{key}."))
        else:
            parts.append(f"{prefix}{key} {before}, here {here}")
    return "; ".join(parts[:3])
