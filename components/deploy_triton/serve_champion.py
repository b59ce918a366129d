"""What `serve start`, `serve status` and `serve rollback` do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from components.deploy_triton import repository as models
from components.deploy_triton.champion import (
    CHAMPION,
    Registry,
    champion_version,
    place_champion,
    verify_champion,
)
from components.deploy_triton.client import MODEL_NAME, TritonClient
from components.deploy_triton.errors import DeploymentError, TritonUnavailableError
from components.deploy_triton.golden import GOLDEN_FILE, GoldenReport, check_golden, read_golden
from components.deploy_triton.params import DeployParams
from components.deploy_triton.server import client_url, start_triton, triton_url
from monitoring.service import LOCALHOST, ServiceState

log = structlog.get_logger()


@dataclass(frozen=True)
class Served:
    """A server that has just answered right."""

    state: ServiceState
    version: int
    golden: GoldenReport


def serve_champion(
    *,
    registry: Registry,
    home: Path,
    environment: Path,
    repository: Path,
    params: DeployParams,
    host: str = LOCALHOST,
    ports: Mapping[str, int] | None = None,
) -> Served:
    """Have the local server, started if need be, serve what the alias `champion` names.

    Raises
    ------
    NothingToServeError
        No champion is registered.
    TritonInstallationError, ServiceStartError, TritonUnavailableError, GoldenMismatchError
        The server cannot be installed or started, or does not answer right.
    """
    version = place_champion(registry, repository, params, scratch=home / "cache" / "download")
    state = start_triton(
        home=home, environment=environment, repository=repository, params=params, host=host, ports=ports
    )
    with _client(client_url(state), params) as client:
        golden = verify_champion(client, repository, version, params)
    return Served(state, version, golden)


def probe_served(state: ServiceState, repository: Path, params: DeployParams) -> GoldenReport:
    """Golden inference by the version that answers now; health endpoints are not asked, they lie.

    Raises
    ------
    TritonUnavailableError
        No model is loaded, or it does not answer.
    GoldenMismatchError
        It answers wrongly.
    """
    with TritonClient(client_url(state), timeout_s=params.client_timeout_s, retries=0) as client:
        loaded = client.loaded_versions()
        if not loaded:
            raise TritonUnavailableError(
                f"Triton at {client.url} has no model loaded; run `osteogate serve start`"
            )
        folder = models.version_folder(repository, MODEL_NAME, int(loaded[-1]))
        return check_golden(client, read_golden(folder / GOLDEN_FILE), params, version=loaded[-1])


def roll_back(*, registry: Registry, home: Path, repository: Path, params: DeployParams) -> tuple[int, int]:
    """The version before the champion in the repository answers the golden set, then takes over.

    Returns
    -------
    tuple of int
        Champion before and now.

    Raises
    ------
    DeploymentError
        There is no earlier version, or it does not answer right; the champion goes on serving.
    """
    champion = champion_version(registry)
    earlier = [version for version in models.versions(repository, MODEL_NAME) if version < champion]
    if not earlier:
        raise DeploymentError(
            f"{repository}: no version before champion {champion}; it goes on serving (a new one is deployed "
            "by `osteogate run`)"
        )
    target = earlier[-1]
    folder = models.version_folder(repository, MODEL_NAME, target)
    with _client(triton_url(home), params) as client:
        check_golden(client, read_golden(folder / GOLDEN_FILE), params, version=str(target))
        registry.set_alias(CHAMPION, target)  # first: a restart in between must not bring the old one back
        for newer in (other for other in models.versions(repository, MODEL_NAME) if other > target):
            models.remove(repository, MODEL_NAME, newer)
        models.write_config(repository, MODEL_NAME, folder, params)
        client.load()
    log.info("rolled_back", champion=target, before=champion)
    return champion, target


def _client(url: str, params: DeployParams) -> TritonClient:
    return TritonClient(url, timeout_s=params.client_timeout_s, retries=params.client_retries)
