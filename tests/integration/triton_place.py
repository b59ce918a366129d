"""One running tritonserver with its registry and repository, and somebody who asks it without a pause."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from components.deploy_triton import server
from components.deploy_triton.champion import CHAMPION
from components.deploy_triton.client import TritonClient
from components.deploy_triton.errors import TritonAnswerError, TritonUnavailableError
from components.deploy_triton.mlflow_registry import MlflowRegistry
from components.deploy_triton.params import DeployParams, Ports
from components.deploy_triton.promote import promote
from monitoring.service import ServiceState
from tests.integration.tiny_bundle import by_hand, crops_of, write_bundle

ENVIRONMENT = Path(__file__).resolve().parents[2] / ".venv-triton"
PARAMS = DeployParams(ports=Ports(http=0, grpc=0, metrics=0), client_timeout_s=10.0, client_retries=2)


@dataclass
class Place:
    """The server, and versions published on it."""

    home: Path
    repository: Path
    registry: MlflowRegistry
    state: ServiceState
    tmp: Path
    slopes: dict[int, float] = field(default_factory=dict)
    count: int = 0

    @property
    def url(self) -> str:
        return server.client_url(self.state)

    def client(self, **changes: object) -> TritonClient:
        values: dict[str, object] = {"timeout_s": 10.0, "retries": 2, "repository": self.repository}
        return TritonClient(self.url, **{**values, **changes})  # type: ignore[arg-type]

    def bundle(self, slope: float, **graph: object) -> Path:
        self.count += 1
        return write_bundle(self.tmp / f"bundle-{self.count}", slope, **graph)

    def promote(self, bundle: Path, slope: float = 0.0) -> int:
        done = promote(
            bundle=bundle,
            registry=self.registry,
            repository=self.repository,
            url=self.url,
            params=PARAMS,
            tags={"data_kind": "simulated"},
        )
        self.slopes[done.version] = slope
        return done.version

    def champion(self) -> int:
        version = self.registry.version_of(CHAMPION)
        assert version is not None
        return version


@contextlib.contextmanager
def constant_requests(place: Place) -> Iterator[list[str]]:
    """Ask without a pause while the block runs; yields the failures, which must stay empty."""
    failures: list[str] = []
    answered: list[int] = []
    ended = threading.Event()
    crops, acquisition = crops_of(2)

    def ask() -> None:
        with place.client(retries=0) as client:
            while not ended.is_set():
                try:
                    answer = client.predict(crops, acquisition)
                    slope = place.slopes.get(int(answer.model_version))
                    if slope is not None and not np.allclose(
                        answer.bmd_g_cm2, by_hand(crops, acquisition, slope), atol=1e-5
                    ):
                        failures.append(f"version {answer.model_version} answered wrongly")
                    answered.append(1)
                except (TritonUnavailableError, TritonAnswerError) as error:
                    failures.append(str(error))
                time.sleep(0.005)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield failures
        patience = (
            time.monotonic() + 30
        )  # a loaded machine answers fewer: go on asking rather than ask for less
        while len(answered) <= 20 and time.monotonic() < patience:
            time.sleep(0.05)
    finally:
        ended.set()
        thread.join(timeout=30)
    assert len(answered) > 20
