"""MLflow tracking: experiment, flattened parameters, per-epoch metrics."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from models.errors import ServiceUnavailableError
from models.write_failure import unwritten

_SQLITE = "sqlite:///"
_LONGEST_VALUE = 500  # MLflow refuses longer parameter values in some backends


@contextmanager
def tracking(mlflow_uri: str) -> Iterator[MlflowClient]:
    """Client of a tracking store; what fails inside for the store's reasons is one clear line.

    Raises
    ------
    ServiceUnavailableError
        The store or server does not answer, or refuses.
    """
    for noisy in ("alembic", "mlflow.store.db.utils", "mlflow.store.db", "mlflow.tracking.fluent"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    if mlflow_uri.startswith(_SQLITE):
        try:
            Path(mlflow_uri.removeprefix(_SQLITE)).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ServiceUnavailableError(f"MLflow at {mlflow_uri}: no place {unwritten(error)}") from error
    try:
        yield MlflowClient(tracking_uri=mlflow_uri, registry_uri=mlflow_uri)
    except MlflowException as error:
        reason = " ".join(str(error).split())[:300]
        raise ServiceUnavailableError(f"MLflow at {mlflow_uri}: {reason}") from error


def artifact_root(mlflow_uri: str) -> str | None:
    """`mlartifacts` beside an SQLite file; None where a server decides."""
    if not mlflow_uri.startswith(_SQLITE):
        return None
    return (Path(mlflow_uri.removeprefix(_SQLITE)).resolve().parent / "mlartifacts").as_uri()


def experiment_id(client: MlflowClient, name: str, location: str | None) -> str:
    """The experiment's id, made when it is not there."""
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    return str(client.create_experiment(name, artifact_location=f"{location}/{name}" if location else None))


def flattened(values: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested parameters with dotted names, values as text."""
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat.update(flattened(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = str(value)[:_LONGEST_VALUE]
    return flat
