"""Serving what the registry's alias `champion` names, and nothing newer."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Protocol

import structlog

from components.deploy_triton import repository as models
from components.deploy_triton.client import MODEL_NAME, TritonClient
from components.deploy_triton.errors import NothingToServeError, TritonAnswerError, TritonUnavailableError
from components.deploy_triton.golden import (
    GOLDEN_FILE,
    GoldenMismatchError,
    GoldenReport,
    check_golden,
    read_golden,
)
from components.deploy_triton.params import DeployParams

CHAMPION = "champion"
log = structlog.get_logger()


class Registry(Protocol):
    """What deployment needs of a model registry."""

    def register(self, folder: Path, tags: dict[str, str]) -> int:
        """Keep the folder as a new version and say its number."""
        ...

    def version_of(self, alias: str) -> int | None:
        """Version that the alias names, or None."""
        ...

    def set_alias(self, alias: str, version: int) -> None:
        """Point the alias at the version."""
        ...

    def download(self, version: int, folder: Path) -> Path:
        """Copy a version's folder to `folder`, which does not exist yet."""
        ...


def champion_version(registry: Registry) -> int:
    """The version that is to be served.

    Raises
    ------
    NothingToServeError
        No model is registered as champion.
    """
    version = registry.version_of(CHAMPION)
    if version is None:
        raise NothingToServeError(
            "no model is registered as champion, so there is nothing to serve; run `osteogate run` first"
        )
    return version


def place_champion(registry: Registry, repository: Path, params: DeployParams, *, scratch: Path) -> int:
    """Bring the champion into the repository, and take newer versions, left by a broken deployment, out.

    Parameters
    ----------
    scratch
        Folder for the download; removed again.
    """
    version = champion_version(registry)
    for unfinished in (other for other in models.versions(repository, MODEL_NAME) if other > version):
        log.warning("unfinished_version_removed", version=unfinished, champion=version)
        models.remove(repository, MODEL_NAME, unfinished)
    folder = models.version_folder(repository, MODEL_NAME, version)
    if folder.is_dir():
        models.write_config(repository, MODEL_NAME, folder, params)
        return version
    bundle = registry.download(version, scratch / f"champion-{version}")
    try:
        models.publish(repository, MODEL_NAME, version, bundle, params)
    finally:
        shutil.rmtree(bundle, ignore_errors=True)
    return version


def verify_champion(
    client: TritonClient, repository: Path, version: int, params: DeployParams
) -> GoldenReport:
    """Have the server load the champion and answer its golden set; unload and load again if it does not.

    Reloading is what recovers a server whose Python processes died while its health still says ready.
    """
    golden = read_golden(models.version_folder(repository, MODEL_NAME, version) / GOLDEN_FILE)
    client.load()
    try:
        return check_golden(client, golden, params, version=str(version))
    except (TritonUnavailableError, TritonAnswerError, GoldenMismatchError) as error:
        log.warning("golden_inference_failed", version=version, reason=str(error), action="reload")
    client.unload()
    client.load()
    return check_golden(client, golden, params, version=str(version))
