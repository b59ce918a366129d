"""The step: export, parity, publication, golden inference, and only then the alias `champion`."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog

from components.deploy_triton.bundle import make_bundle
from components.deploy_triton.champion import CHAMPION, Registry, place_champion, verify_champion
from components.deploy_triton.client import MODEL_NAME, TritonClient
from components.deploy_triton.golden import GoldenReport
from components.deploy_triton.mlflow_registry import MlflowRegistry
from components.deploy_triton.params import DeployParams
from components.deploy_triton.promote import Promotion, promote
from components.deploy_triton.server import client_url, start_triton
from models.artefact import file_sha256, read_card
from models.crop_store import open_crop_store
from models.errors import OsteoGateError
from models.params import Section

RESULT_FILE = "deployment.json"
log = structlog.get_logger()


class DeployResult(Section):
    """What was deployed, and how well it agrees; deployment.json.

    Attributes
    ----------
    version
        Of the registered model; Triton's version too.
    previous
        Champion before; None for the first.
    url
        host:port of the gRPC endpoint that serves it.
    parity
        ONNX Runtime against torch: crops compared and the largest differences.
    golden
        Served answers against torch: the same.
    """

    schema_version: int = 1
    model: str
    version: int
    previous: int | None
    alias: str
    url: str
    data_kind: str
    parity: dict[str, Any]
    golden: dict[str, Any]


def run(
    *,
    model: Path,
    decision: Path,
    store: Path,
    repository: Path,
    home: Path,
    environment: Path,
    mlflow_uri: str,
    params: DeployParams,
    out: Path,
    triton_url: str | None = None,
    git_commit: str | None = None,
) -> DeployResult:
    """Deploy a model folder; if anything fails, what was served before goes on serving.

    Parameters
    ----------
    model, decision
        Model folder of the training step, decision.json of the evaluation step.
    store
        Crop store, from which the golden set is recorded.
    repository
        Triton's model repository.
    home, environment
        Runtime home and `.venv-triton`, where a local server is started if none runs.
    triton_url
        host:port of a server elsewhere that reads `repository`; None to use a local one.
    out
        Folder for deployment.json.

    Raises
    ------
    DeploymentError
        Parity, golden inference or a server failed; the message says what goes on serving.
    """
    out.mkdir(parents=True, exist_ok=True)
    bundle = out / ".bundle"
    registry = MlflowRegistry(mlflow_uri)
    try:
        parity = make_bundle(model, decision, open_crop_store(store), params, bundle)
        card = read_card(bundle)
        url = triton_url or _local_server(registry, repository, home, environment, params)
        tags = {
            "data_version": card.data_version,
            "data_kind": card.data_kind,
            "git_commit": git_commit or card.git_commit or "unknown",
            "weights_sha256": card.weights_sha256,
            "decision_sha256": file_sha256(decision),
        }
        serving = _same_champion(registry, tags)
        if serving is not None:
            golden = _verified(url, repository, serving, params)
            done = Promotion(version=serving, previous=serving, golden=golden)
        else:
            done = promote(
                bundle=bundle, registry=registry, repository=repository, url=url, params=params, tags=tags
            )
    finally:
        shutil.rmtree(bundle, ignore_errors=True)  # the registry holds it
    result = DeployResult(
        model=MODEL_NAME,
        version=done.version,
        previous=done.previous,
        alias=CHAMPION,
        url=url,
        data_kind=card.data_kind,
        parity=asdict(parity),
        golden=done.golden.model_dump(),
    )
    partial = out / f".{RESULT_FILE}.partial"
    partial.write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
    partial.replace(out / RESULT_FILE)
    return result


def _same_champion(registry: MlflowRegistry, tags: dict[str, str]) -> int | None:
    """The champion's version when it has these very weights and decision rules: nothing is to be registered."""
    version = registry.version_of(CHAMPION)
    if version is None:
        return None
    found = registry.tags(version)
    same = all(found.get(name) == tags[name] for name in ("weights_sha256", "decision_sha256"))
    return version if same else None


def _verified(url: str, repository: Path, version: int, params: DeployParams) -> GoldenReport:
    with TritonClient(url, timeout_s=params.client_timeout_s, retries=params.client_retries) as client:
        return verify_champion(client, repository, version, params)


def _local_server(
    registry: Registry, repository: Path, home: Path, environment: Path, params: DeployParams
) -> str:
    """The running local server, or a new one, with the present champion on it before anything changes."""
    scratch = home / "cache" / "download"
    champion: int | None = None
    if registry.version_of(CHAMPION) is not None:
        try:
            champion = place_champion(registry, repository, params, scratch=scratch)
        except OsteoGateError as error:  # a champion that is lost must not keep its successor out
            log.warning("champion_not_placed", reason=str(error))
    state = start_triton(home=home, environment=environment, repository=repository, params=params)
    url = client_url(state)
    if champion is not None:
        with TritonClient(url, timeout_s=params.client_timeout_s, retries=params.client_retries) as client:
            try:
                verify_champion(client, repository, champion, params)
            except OsteoGateError as error:
                log.warning("champion_not_verified", version=champion, reason=str(error))
    return url
