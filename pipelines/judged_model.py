"""Which model is meant: a version or alias of the registry, or a folder on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from components.deploy_triton.champion import CHAMPION
from components.deploy_triton.mlflow_registry import MlflowRegistry
from components.train_resnet50.registry import MODEL_NAME
from models.artefact import CARD_FILE
from models.errors import InputError
from pipelines.workspace import Workspace


class ModelUnknownError(InputError):
    """No model goes by that name."""


@dataclass(frozen=True)
class JudgedModel:
    """A model folder with decision.json, and what people call it ('osteogate version 3')."""

    folder: Path
    name: str


@contextmanager
def judged_model(named: str | None, workspace: Workspace) -> Iterator[JudgedModel]:
    """The model that `named` means; a downloaded one is removed afterwards.

    Parameters
    ----------
    named
        Version number, alias, or folder; None for the champion.

    Raises
    ------
    ModelUnknownError, ModelVersionMissingError
        There is no such model.
    """
    folder = Path(named) if named else None
    if folder is not None and (folder / CARD_FILE).is_file():
        yield JudgedModel(folder, f"folder {folder.name}")
        return
    if folder is not None and (folder.exists() or len(folder.parts) > 1):
        raise ModelUnknownError(f"{folder}: no model folder (it holds no {CARD_FILE})")
    registry = MlflowRegistry(workspace.mlflow_uri)
    name = named or CHAMPION
    version = int(name) if name.isdecimal() else registry.version_of(name)
    database = Path(workspace.mlflow_uri.removeprefix("sqlite:///"))
    if version is None or (workspace.mlflow_uri.startswith("sqlite:///") and not database.exists()):
        raise ModelUnknownError(
            f"model {name!r}: neither an alias nor a version of {MODEL_NAME} in {workspace.mlflow_uri}, nor a folder; "
            "`osteogate run` trains and registers one"
        )
    workspace.cache.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=workspace.cache, prefix="judged-") as place:
        found = registry.download(version, Path(place) / "model")
        alias = "" if name.isdecimal() else f" ({name})"
        yield JudgedModel(found, f"{MODEL_NAME} version {version}{alias}")
