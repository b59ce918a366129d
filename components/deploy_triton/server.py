"""The local tritonserver: started with explicit model control, and believed only after a real inference."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import structlog

from components.deploy_triton.client import MODEL_NAME, TritonClient
from components.deploy_triton.errors import TritonUnavailableError
from components.deploy_triton.params import DeployParams
from components.deploy_triton.repository import versions
from components.deploy_triton.server_environment import ensure_environment
from monitoring import service
from monitoring.service import LOCALHOST, ServiceSpec, ServiceState

SERVICE = "triton"
SHARED_MEMORY_PREFIX = "triton_onnxruntime_backend_shm_region_"  # left in /dev/shm by a killed server
DRAIN_S = 10

log = structlog.get_logger()


def start_triton(
    *,
    home: Path,
    environment: Path,
    repository: Path,
    params: DeployParams,
    host: str = LOCALHOST,
    ports: Mapping[str, int] | None = None,
) -> ServiceState:
    """Start tritonserver, or return the one that runs.

    Every version that lies in the repository is loaded; one that cannot be loaded does not keep the server
    from starting, nor the others from serving.

    Parameters
    ----------
    ports
        Usual ports by role (http, grpc, metrics); those of `params` by default.

    Raises
    ------
    TritonInstallationError
        The server's environment cannot be made.
    ServiceStartError
        The server ended or did not answer in time.
    """
    running = status_triton(home)
    if running is not None:
        return running
    installed = ensure_environment(environment)
    repository = repository.resolve()
    repository.mkdir(parents=True, exist_ok=True)
    load = [f"--load-model={MODEL_NAME}"] if versions(repository, MODEL_NAME) else []

    def command(address: str, port: Mapping[str, int]) -> list[str]:
        return [
            str(installed.binary),
            f"--model-repository={repository}",
            f"--backend-directory={installed.backends}",
            "--model-control-mode=explicit",
            *load,
            "--exit-on-error=false",
            "--strict-readiness=false",  # else one broken version fails readiness for good
            "--disable-auto-complete-config",
            f"--exit-timeout-secs={DRAIN_S}",
            f"--http-address={address}",
            f"--http-port={port['http']}",
            f"--grpc-address={address}",
            f"--grpc-port={port['grpc']}",
            f"--metrics-address={address}",
            f"--metrics-port={port['metrics']}",
        ]

    spec = ServiceSpec(
        name=SERVICE,
        command=command,
        ports=dict(ports) if ports is not None else params.ports.model_dump(),
        url="{host}:{grpc}",
        environment=installed.variables(),
        host=host,
        shared_memory_prefix=SHARED_MEMORY_PREFIX,
    )
    return service.start(home, spec, probe=_answers, timeout_s=params.start_timeout_s)


def status_triton(home: Path) -> ServiceState | None:
    """The running server, or None."""
    return service.status(home, SERVICE)


def stop_triton(home: Path) -> bool:
    """Drain and stop; False when none ran."""
    return service.stop(home, SERVICE, grace_s=DRAIN_S + 5.0)


def triton_url(home: Path) -> str:
    """host:port of the gRPC endpoint of the local server, for a client on this machine.

    Raises
    ------
    TritonUnavailableError
        None runs.
    """
    state = status_triton(home)
    if state is None:
        raise TritonUnavailableError("Triton is not running; run `osteogate serve start`")
    return client_url(state)


def client_url(state: ServiceState) -> str:
    """Where a client on this machine reaches the server: an all-interfaces address is not one to dial."""
    host = LOCALHOST if state.host in ("0.0.0.0", "::") else state.host
    return f"{host}:{state.ports['grpc']}"


def _answers(state: ServiceState) -> bool:
    """Whether gRPC answers; whether it answers right is asked by a golden inference afterwards."""
    with TritonClient(client_url(state), timeout_s=2.0, retries=0) as client:
        try:
            client.loaded_versions()
        except TritonUnavailableError:
            return False
    return True
