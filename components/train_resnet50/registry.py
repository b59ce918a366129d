"""The model registry: versions, their tags, and the alias `champion`."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import mlflow.artifacts
from mlflow import MlflowClient
from mlflow.environment_variables import MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR
from mlflow.exceptions import MlflowException

from components.train_resnet50.tracking import artifact_root, experiment_id, tracking
from models.artefact import CARD_FILE, file_sha256, read_card
from models.errors import InputError

MODEL_NAME = "osteogate"
EXPERIMENT = "osteogate"

_NO_ALIAS = "INVALID_PARAMETER_VALUE"
_NO_MODEL = "RESOURCE_DOES_NOT_EXIST"


class ModelVersionMissingError(InputError):
    """The registry has no such model or version."""


def register(
    model_folder: Path,
    mlflow_uri: str,
    tags: Mapping[str, str],
    *,
    name: str = MODEL_NAME,
    run_id: str | None = None,
    extra_files: Sequence[Path] = (),
) -> int:
    """Upload a model folder and make it a new version of the registered model.

    The same content under one run is uploaded once; registering again still gives a new version.

    Parameters
    ----------
    tags
        Of the version, on top of data_version, data_kind, git_commit and weights_sha256 from the model card.
    run_id
        Training run to attach the files to; without one, a run of its own is made.
    extra_files
        Put into the folder's copy as well (decision.json, model.onnx).

    Returns
    -------
    The version number.

    Raises
    ------
    ModelArtefactError
        The folder is no model folder.
    ServiceUnavailableError
        MLflow does not answer.
    """
    card = read_card(model_folder)
    all_tags = {
        "data_version": card.data_version,
        "data_kind": card.data_kind,
        "git_commit": card.git_commit or "unknown",
        "weights_sha256": card.weights_sha256,
        **tags,
    }
    files = {path.name: path for path in (*sorted(model_folder.iterdir()), *extra_files) if path.is_file()}
    place = f"registered/{_content_hash(files)}"
    with tracking(mlflow_uri) as client:
        if run_id is None:
            experiment = experiment_id(client, EXPERIMENT, artifact_root(mlflow_uri))
            run_id = str(
                client.create_run(experiment, run_name=f"register-{card.weights_sha256[:12]}").info.run_id
            )
            client.set_terminated(run_id)
        uploaded = {item.path.rpartition("/")[2] for item in client.list_artifacts(run_id, place)}
        for file_name, path in files.items():
            if file_name not in uploaded:
                client.log_artifact(run_id, str(path), place)
        if _registered(client, name) is None:
            client.create_registered_model(name)
        source = f"{client.get_run(run_id).info.artifact_uri}/{place}"
        version = client.create_model_version(name, source=source, run_id=run_id, tags=all_tags)
    return int(version.version)


def resolve_alias(mlflow_uri: str, name: str, alias: str) -> int | None:
    """Version that the alias names; None when there is no such alias, or no such model yet."""
    with tracking(mlflow_uri) as client:
        try:
            return int(client.get_model_version_by_alias(name, alias).version)
        except MlflowException as error:
            # MLflow answers INVALID_PARAMETER_VALUE for a missing alias and for a malformed name as well.
            if error.error_code == _NO_MODEL:
                return None
            if (
                error.error_code == _NO_ALIAS
                and "alias" in str(error).lower()
                and "not found" in str(error).lower()
            ):
                return None
            raise


def set_alias(mlflow_uri: str, name: str, alias: str, version: int | str) -> None:
    """Let the alias name this version.

    Raises
    ------
    ModelVersionMissingError
        There is no such model or version; the alias stays where it was.
    """
    with tracking(mlflow_uri) as client:
        _version(client, mlflow_uri, name, version)
        client.set_registered_model_alias(name, alias, str(version))


def version_tags(mlflow_uri: str, name: str, version: int | str) -> dict[str, str]:
    """Tags of a version.

    Raises
    ------
    ModelVersionMissingError
        There is no such model or version.
    """
    with tracking(mlflow_uri) as client:
        return dict(_version(client, mlflow_uri, name, version).tags)


def download(mlflow_uri: str, name: str, version: int | str, out: Path) -> Path:
    """Fetch a version's files as folder `out`, written beside and renamed in; `out` must not exist.

    Raises
    ------
    ModelVersionMissingError
        There is no such model or version, or its files are gone.
    """
    if out.exists():
        raise FileExistsError(f"{out} exists; name a folder that does not")
    out.parent.mkdir(parents=True, exist_ok=True)
    with (
        tracking(mlflow_uri) as client,
        tempfile.TemporaryDirectory(dir=out.parent, prefix=".model-") as beside,
    ):
        source = _version(client, mlflow_uri, name, version).source
        with _no_bar():
            found = Path(
                mlflow.artifacts.download_artifacts(
                    artifact_uri=source, dst_path=beside, tracking_uri=mlflow_uri
                )
            )
        if not (found / CARD_FILE).is_file():
            raise ModelVersionMissingError(f"{name} version {version}: its files are gone from {source}")
        shutil.move(found, out)
    return out


@contextmanager
def _no_bar() -> Iterator[None]:
    """MLflow draws a bar even where no terminal is; its only switch is an environment variable."""
    switch = MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR
    before = switch.get_raw()
    switch.set("false")
    try:
        yield
    finally:
        if before is None:
            switch.unset()
        else:
            switch.set(before)


def _version(client: MlflowClient, mlflow_uri: str, name: str, version: int | str):  # type: ignore[no-untyped-def]
    try:
        return client.get_model_version(name, str(version))
    except MlflowException as error:
        if error.error_code in (_NO_MODEL, _NO_ALIAS):
            raise ModelVersionMissingError(f"MLflow at {mlflow_uri}: no {name} version {version}") from error
        raise


def _registered(client: MlflowClient, name: str) -> object | None:
    try:
        return client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code == _NO_MODEL:
            return None
        raise


def _content_hash(files: Mapping[str, Path]) -> str:
    content = hashlib.sha256()
    for name in sorted(files):
        content.update(f"{name} {file_sha256(files[name])}\n".encode())
    return content.hexdigest()[:16]
