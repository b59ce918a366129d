"""From a bundle to the served champion, with the old version serving at every moment in between.

The bundle is first tried under another model name, so that requests for `osteogate` never meet a version that
has not answered the golden set. Then it is published and loaded as the next version, asked again, and only then
does the alias `champion` move. Whatever fails is taken out again.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import structlog

from components.deploy_triton import repository as models
from components.deploy_triton.champion import CHAMPION, Registry
from components.deploy_triton.client import MODEL_NAME, TritonClient
from components.deploy_triton.errors import DeploymentError, TritonRefusedError, TritonUnavailableError
from components.deploy_triton.golden import GOLDEN_FILE, GoldenReport, check_golden, read_golden
from components.deploy_triton.params import DeployParams
from models.errors import OsteoGateError, ServiceUnavailableError
from models.params import Section

CANDIDATE = f"{MODEL_NAME}_candidate"

log = structlog.get_logger()


class Promotion(Section):
    """What was deployed.

    Attributes
    ----------
    previous
        Champion before; None for the first.
    """

    version: int
    previous: int | None
    golden: GoldenReport


def promote(
    *,
    bundle: Path,
    registry: Registry,
    repository: Path,
    url: str,
    params: DeployParams,
    tags: dict[str, str],
) -> Promotion:
    """Deploy the bundle on the running server at `url`.

    Raises
    ------
    DeploymentError
        Which step failed and why, and what goes on serving.
    """
    previous = registry.version_of(CHAMPION)
    with _client(url, params, CANDIDATE) as candidate, _client(url, params, MODEL_NAME) as client:
        try:
            _try_out(candidate, bundle, repository, params)
            version = registry.register(bundle, tags)
        except OsteoGateError as error:
            raise _failed("the candidate was not accepted", error, previous) from error
        try:
            models.publish(repository, MODEL_NAME, version, bundle, params)
            client.load()
            report = check_golden(client, read_golden(bundle / GOLDEN_FILE), params, version=str(version))
            registry.set_alias(CHAMPION, version)
        except BaseException as error:
            _take_back(client, repository, version, params)
            if isinstance(error, OsteoGateError):
                raise _failed(f"version {version} was taken back", error, previous) from error
            raise
        _forget_old(client, repository, version, previous, params)
    log.info("champion_moved", version=version, previous=previous)
    return Promotion(version=version, previous=previous, golden=report)


def _try_out(candidate: TritonClient, bundle: Path, repository: Path, params: DeployParams) -> None:
    """Golden inference under a name that nobody asks for."""
    models.remove_model(repository, CANDIDATE)  # of a deployment that was killed
    try:
        models.publish(repository, CANDIDATE, 1, bundle, params)
        candidate.load()
        check_golden(candidate, read_golden(bundle / GOLDEN_FILE), params)
    finally:
        with suppress(TritonUnavailableError, TritonRefusedError):  # never loaded, or the server is gone
            candidate.unload()
        models.remove_model(repository, CANDIDATE)


def _take_back(client: TritonClient, repository: Path, version: int, params: DeployParams) -> None:
    """Out of the repository first, so that a restarting server cannot find it, then out of the server."""
    models.remove(repository, MODEL_NAME, version)
    left = models.versions(repository, MODEL_NAME)
    try:
        if left:
            models.write_config(
                repository, MODEL_NAME, models.version_folder(repository, MODEL_NAME, left[-1]), params
            )
            client.load()
        else:
            models.remove_model(repository, MODEL_NAME)
            client.unload()
    except OsteoGateError as error:
        log.warning("take_back_incomplete", version=version, reason=str(error))


def _forget_old(
    client: TritonClient, repository: Path, version: int, previous: int | None, params: DeployParams
) -> None:
    """Keep the newest `keep_versions` versions, and always champion and predecessor."""
    kept = {version, previous, *models.versions(repository, MODEL_NAME)[-params.keep_versions :]}
    gone = [other for other in models.versions(repository, MODEL_NAME) if other not in kept]
    for other in gone:
        models.remove(repository, MODEL_NAME, other)
    if gone:
        try:
            client.load()
        except OsteoGateError as error:  # the champion serves; an old version more in memory is no failure
            log.warning("old_versions_still_loaded", versions=gone, reason=str(error))


def _failed(step: str, error: OsteoGateError, previous: int | None) -> DeploymentError:
    served = f"version {previous} goes on serving" if previous is not None else "nothing was served before"
    if isinstance(error, TritonUnavailableError):
        served = f"version {previous} stays champion" if previous is not None else "there is no champion yet"
    failure = DeploymentError(f"{step}: {error}; {served}")
    failure.exit_code = error.exit_code if isinstance(error, ServiceUnavailableError) else failure.exit_code
    return failure


def _client(url: str, params: DeployParams, model: str) -> TritonClient:
    return TritonClient(url, model, timeout_s=params.client_timeout_s, retries=params.client_retries)
