"""The model folder: weights.pt and model.json; decision.json and model.onnx are added by later steps."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from models.crop_store import CropGeometry
from models.errors import InputError, OsteoGateError, ParameterError
from models.network import BoneNet
from models.network_config import NetworkConfig
from models.params import Section
from models.replace_folder import replace_folder
from models.training import TrainedModel
from models.write_failure import unwritten

SCHEMA_VERSION = 1
WEIGHTS_FILE = "weights.pt"
CARD_FILE = "model.json"
HISTORY_FILE = "history.json"


class ModelArtefactError(InputError):
    """A model folder is missing, damaged, or of another schema or architecture."""


class ModelWriteError(OsteoGateError):
    """A model folder could not be written."""


class ModelTargetError(ParameterError):
    """What is at the place of a model folder is none, and is left alone."""


class ModelCard(Section):
    """model.json: all that is known about the weights beside them.

    Attributes
    ----------
    standardisation
        For readers only; the network uses its own buffers, which are in the weights.
    params
        Section `train` that it was trained with, for readers; another version's keys may be others.
    git_commit
        Of the code that trained; None outside a repository.
    weights_sha256
        Of weights.pt; the model's identity in reports and logs.
    """

    schema_version: int
    architecture: NetworkConfig
    geometry: CropGeometry
    data_version: str
    data_kind: str
    params: dict[str, Any]
    git_commit: str | None
    weights_sha256: str
    best_epoch: int
    patients: dict[str, int]
    standardisation: dict[str, list[float]]
    torch_version: str


@dataclass(frozen=True)
class LoadedModel:
    """A network in evaluation mode on the CPU, with its card."""

    network: BoneNet
    card: ModelCard


def refuse_model_target(folder: Path) -> None:
    """Leave alone what is neither a new place, nor an empty folder, nor a model to replace.

    Raises
    ------
    ModelTargetError
        `folder` is no folder, or is not empty and holds no model.json.
    ModelWriteError
        It cannot be looked into.
    """
    try:
        if folder.is_symlink() or folder.exists():
            if not folder.is_dir():
                raise ModelTargetError(f"{folder}: is no folder, and is left alone; name a new folder")
            if any(folder.iterdir()) and not (folder / CARD_FILE).is_file():
                raise ModelTargetError(
                    f"{folder}: is not empty and holds no model ({CARD_FILE}), and is left alone; "
                    "name a new folder"
                )
    except OSError as error:
        raise ModelWriteError(f"{folder}: no place for a model {unwritten(error)}") from error


def save_model(model: TrainedModel, folder: Path, *, git_commit: str | None) -> ModelCard:
    """Write the model folder beside `folder` and rename it in.

    Raises
    ------
    ModelWriteError
        The disk is full, say; what was in `folder` is still there.
    ModelTargetError
        As `refuse_model_target`.
    """
    refuse_model_target(folder)
    partial = folder.with_name(f".{folder.name}.partial")
    network = model.network
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        torch.save(network.state_dict(), partial / WEIGHTS_FILE)
        card = ModelCard(
            schema_version=SCHEMA_VERSION,
            architecture=network.config,
            geometry=model.geometry,
            data_version=model.data_version,
            data_kind=model.data_kind,
            params=model.params.model_dump(mode="json"),
            git_commit=git_commit,
            weights_sha256=file_sha256(partial / WEIGHTS_FILE),
            best_epoch=model.best_epoch,
            patients=model.patients,
            standardisation={
                name: [float(value) for value in buffer]
                for name, buffer in network.named_buffers(recurse=False)
                if name.endswith(("_mean", "_std"))
            },
            torch_version=torch.__version__,
        )
        (partial / CARD_FILE).write_text(card.model_dump_json(indent=2))
        history = [record.model_dump() for record in model.history]
        (partial / HISTORY_FILE).write_text(json.dumps(history, indent=2))
        replace_folder(partial, folder)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise ModelWriteError(f"{folder}: model not written {unwritten(error)}") from error
    except RuntimeError as error:  # torch's word for a full disk
        shutil.rmtree(partial, ignore_errors=True)
        reason = " ".join(str(error).split())[:200]
        raise ModelWriteError(
            f"{folder}: model not written ({reason}); free disk space, run again"
        ) from error
    return card


def read_card(folder: Path) -> ModelCard:
    """model.json of the folder, checked.

    Raises
    ------
    ModelArtefactError
        Missing, not a card, another schema version, or an architecture this version does not know.
    """
    file = folder / CARD_FILE
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        version = document.get("schema_version")
    except (OSError, ValueError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise ModelArtefactError(
            f"{file}: not a model card ({reason}); name a folder that train wrote"
        ) from error
    if version != SCHEMA_VERSION:
        raise ModelArtefactError(f"{file}: model schema {version!r}; this version reads {SCHEMA_VERSION}")
    try:
        return ModelCard.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ModelArtefactError(f"{file}: {key}: found {first['input']!r}; {first['msg']}") from error


def load_model(folder: Path) -> LoadedModel:
    """Network and card.

    Raises
    ------
    ModelArtefactError
        As `read_card`; or the weights are missing, changed since they were written, or do not fit.
    """
    card = read_card(folder)
    file = folder / WEIGHTS_FILE
    try:
        found = file_sha256(file)
        if found != card.weights_sha256:
            raise ModelArtefactError(
                f"{file}: SHA-256 {found[:12]}... but {CARD_FILE} declares {card.weights_sha256[:12]}...; "
                "the file is damaged or of another model"
            )
        network = BoneNet(card.architecture)
        network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True), strict=True)
    except (OSError, RuntimeError, TypeError, EOFError, pickle.UnpicklingError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelArtefactError(f"{file}: weights cannot be loaded ({reason})") from error
    return LoadedModel(network.eval(), card)


def file_sha256(file: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
