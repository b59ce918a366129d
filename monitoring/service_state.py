"""What is known about a started background service, on disk: `<home>/servers/<name>.json`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import structlog
from pydantic import ValidationError

from models.params import Section

log = structlog.get_logger()


class ServiceState(Section):
    """What is known about a started service; servers/<name>.json.

    Attributes
    ----------
    create_time
        Start of the process, seconds since the epoch.
    ports, usual_ports
        By role; they differ where the usual one was taken.
    """

    name: str
    pid: int
    create_time: float
    token: str
    host: str
    ports: dict[str, int]
    usual_ports: dict[str, int]
    url: str
    log: Path
    shared_memory_prefix: str = ""

    def moved_ports(self) -> dict[str, tuple[int, int]]:
        """Role -> (usual port, port in use) where the usual one was taken."""
        return {
            role: (usual, self.ports[role])
            for role, usual in self.usual_ports.items()
            if usual and self.ports[role] != usual
        }


def state_file(home: Path, name: str) -> Path:
    """Where the state of the service is kept while it runs."""
    return home / "servers" / f"{name}.json"


def read_state(home: Path, name: str) -> ServiceState | None:
    """The recorded state; None when there is none, or none that can be read."""
    path = state_file(home, name)
    try:
        return ServiceState.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, ValidationError) as error:
        log.warning("service_state_unreadable", file=str(path), reason=type(error).__name__)
        return None


def write_state(home: Path, state: ServiceState) -> None:
    """Write beside and rename in."""
    path = state_file(home, state.name)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_text(state.model_dump_json(indent=2) + "\n", encoding="utf-8")
    partial.replace(path)
