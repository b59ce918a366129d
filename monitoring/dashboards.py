"""MLflow's and Evidently's own pages as background services."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

from monitoring import service
from monitoring.service import LOCALHOST, ServiceSpec, ServiceState

MLFLOW = "mlflow"
EVIDENTLY = "evidently"
START_TIMEOUT_S = 120.0
QUIET = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # its worker processes are not needed, and slow the start
    "OMP_NUM_THREADS": "1",
}


def start_dashboards(
    *,
    home: Path,
    mlflow_uri: str,
    evidently_workspace: Path,
    host: str = LOCALHOST,
    mlflow_port: int = 5000,
    evidently_port: int = 8010,
) -> dict[str, ServiceState]:
    """Start both, or return what runs.

    Raises
    ------
    ServiceStartError
        One of them did not come up.
    """
    evidently_workspace.mkdir(parents=True, exist_ok=True)
    programs = Path(sys.executable).parent

    def mlflow(address: str, ports: Mapping[str, int]) -> list[str]:
        return [
            str(programs / "mlflow"),
            "server",
            f"--backend-store-uri={mlflow_uri}",
            f"--default-artifact-root={home / 'mlartifacts'}",
            f"--host={address}",
            f"--port={ports['http']}",
            "--workers=1",
        ]

    def evidently(address: str, ports: Mapping[str, int]) -> list[str]:
        return [
            str(programs / "evidently"),
            "ui",
            f"--workspace={evidently_workspace}",
            f"--host={address}",
            f"--port={ports['http']}",
        ]

    states = service.start_all(
        home,
        [
            (_spec(MLFLOW, mlflow, mlflow_port, host), lambda state: answers(state, "/health")),
            (_spec(EVIDENTLY, evidently, evidently_port, host), lambda state: answers(state, "/api/version")),
        ],
        timeout_s=START_TIMEOUT_S,
    )
    return {state.name: state for state in states}


def stop_dashboards(home: Path) -> dict[str, bool]:
    """Stop both; which of them ran."""
    return {name: service.stop(home, name, grace_s=5.0) for name in (MLFLOW, EVIDENTLY)}


def dashboard_status(home: Path) -> dict[str, ServiceState | None]:
    """State of each, None when it does not run."""
    return {name: service.status(home, name) for name in (MLFLOW, EVIDENTLY)}


def answers(state: ServiceState, path: str = "/") -> bool:
    """Whether a GET of the path is answered with 200."""
    host = LOCALHOST if state.host == "0.0.0.0" else state.host
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through a proxy
    try:
        with opener.open(f"http://{host}:{state.ports['http']}{path}", timeout=5) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _spec(
    name: str, command: Callable[[str, Mapping[str, int]], list[str]], port: int, host: str
) -> ServiceSpec:
    return ServiceSpec(
        name=name,
        command=command,
        ports={"http": port},
        url="http://{host}:{http}",
        environment=QUIET,
        host=host,
    )
