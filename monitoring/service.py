"""Background services: start one detached, say where it listens, stop it with nothing left behind.

State lives in `<home>/servers/<name>.json`, output in `<home>/logs/<name>.log`. A service is recognised by
pid and start time together, and its helpers by a token in their environment: a reused pid is never touched.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import structlog

from models.errors import ServiceUnavailableError
from monitoring.service_process import (
    TOKEN_VARIABLE,
    choose_port,
    end_processes,
    leader,
    port_is_free,
    processes_of,
    remove_shared_memory,
)
from monitoring.service_state import ServiceState, read_state, state_file, write_state

LOCALHOST = "127.0.0.1"
log = structlog.get_logger()


class ServiceStartError(ServiceUnavailableError):
    """The service ended or did not answer in time; the message carries the last lines of its log."""


class ServiceStopError(ServiceUnavailableError):
    """Processes of the service could not be ended."""


Probe = Callable[[ServiceState], bool]


@dataclass(frozen=True)
class ServiceSpec:
    """How to run one service.

    Attributes
    ----------
    command
        (host, ports by role) -> argument list.
    ports
        Role -> usual port; 0 means any.
    url
        Template of what is shown to people, e.g. "http://{host}:{http}".
    environment
        Added to the caller's environment.
    shared_memory_prefix
        Names in /dev/shm that the service leaves behind when killed; "" when it makes none.
    """

    name: str
    command: Callable[[str, Mapping[str, int]], Sequence[str]]
    ports: Mapping[str, int]
    url: str
    environment: Mapping[str, str] = field(default_factory=dict)
    host: str = LOCALHOST
    shared_memory_prefix: str = ""


def start(home: Path, spec: ServiceSpec, *, probe: Probe, timeout_s: float) -> ServiceState:
    """Start the service detached from the caller and wait until `probe` says that it answers.

    A service that already runs is returned as it is. A taken port is replaced by a free one.

    Raises
    ------
    ServiceStartError
        It ended, or did not answer within `timeout_s`; nothing of it is left running.
    """
    return start_all(home, [(spec, probe)], timeout_s=timeout_s)[0]


def start_all(
    home: Path, services: Sequence[tuple[ServiceSpec, Probe]], *, timeout_s: float
) -> list[ServiceState]:
    """Start several at once and wait for all; if one fails, those started here are stopped again.

    Raises
    ------
    ServiceStartError
        As `start`.
    """
    with _locked(home):
        fresh: list[ServiceState] = []
        states: list[ServiceState] = []
        try:
            for spec, _ in services:
                state = status(home, spec.name)
                if state is None:
                    _clean_up(home, spec.name)
                    state = _launch(home, spec)
                    fresh.append(state)
                states.append(state)
            for place, (spec, probe) in enumerate(services):
                if states[place] in fresh:
                    states[place] = _awaited(home, spec, states[place], probe, timeout_s, fresh)
        except BaseException:
            for state in fresh:
                _end(home, state, grace_s=5.0)
            raise
        return states


def _awaited(
    home: Path,
    spec: ServiceSpec,
    state: ServiceState,
    probe: Probe,
    timeout_s: float,
    fresh: list[ServiceState],
) -> ServiceState:
    """The state once it answers; a new one where another process took a port after we had chosen it."""
    try:
        wait_ready(state, probe, timeout_s=timeout_s)
        return state
    except ServiceStartError:
        _end(home, state, grace_s=5.0)
        fresh.remove(state)
        if all(port_is_free(port, spec.host) for port in state.ports.values()):
            raise
    log.warning("service_port_lost", service=spec.name, ports=state.ports)
    again = _launch(home, spec)
    fresh.append(again)
    wait_ready(again, probe, timeout_s=timeout_s)
    return again


def status(home: Path, name: str) -> ServiceState | None:
    """State of the service when its process lives, else None."""
    state = read_state(home, name)
    return state if state is not None and leader(state.pid, state.create_time) is not None else None


def stop(home: Path, name: str, *, grace_s: float = 15.0) -> bool:
    """End the service and everything it started: SIGTERM, wait, SIGKILL, shared memory, state file.

    Returns
    -------
    bool
        False when there was nothing to stop.
    """
    with _locked(home):
        state = read_state(home, name)
        if state is None:
            return False
        alive = bool(processes_of(state.pid, state.create_time, state.token))
        _end(home, state, grace_s=grace_s)
        return alive


def wait_ready(state: ServiceState, probe: Probe, *, timeout_s: float, interval_s: float = 0.2) -> None:
    """Wait until the probe answers True.

    Raises
    ------
    ServiceStartError
        The process ended or time ran out; with the last lines of the log.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        if leader(state.pid, state.create_time) is None:
            raise ServiceStartError(f"{state.name} ended while starting; {_log_hint(state.log)}")
        if probe(state):
            return
        if time.monotonic() > deadline:
            raise ServiceStartError(
                f"{state.name} did not answer within {timeout_s:g} s; {_log_hint(state.log)}"
            )
        time.sleep(interval_s)


def log_tail(path: Path, lines: int = 5) -> list[str]:
    """Last non-empty lines of a log file; empty when there is none."""
    if not path.is_file():
        return []
    text = path.read_text(encoding="utf-8", errors="replace")
    return [line.strip() for line in text.splitlines() if line.strip()][-lines:]


def _launch(home: Path, spec: ServiceSpec) -> ServiceState:
    ports: dict[str, int] = {}
    for role, usual in spec.ports.items():
        ports[role] = choose_port(usual, spec.host, avoid=set(ports.values()))
        if usual and ports[role] != usual:
            log.warning("port_taken", service=spec.name, role=role, usual=usual, used=ports[role])
    token = uuid.uuid4().hex
    log_file = home / "logs" / f"{spec.name}.log"
    log_file.parent.mkdir(parents=True, exist_ok=True)
    if log_file.exists():
        log_file.replace(log_file.with_suffix(".log.1"))
    command = [str(part) for part in spec.command(spec.host, ports)]
    try:
        with log_file.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **spec.environment, TOKEN_VARIABLE: token},
                start_new_session=True,
            )
    except OSError as error:
        raise ServiceStartError(f"{spec.name}: {command[0]} cannot be run ({error.strerror})") from error
    try:
        create_time = psutil.Process(process.pid).create_time()
    except psutil.NoSuchProcess as error:
        raise ServiceStartError(f"{spec.name} ended at once; {_log_hint(log_file)}") from error
    state = ServiceState(
        name=spec.name,
        pid=process.pid,
        create_time=create_time,
        token=token,
        host=spec.host,
        ports=ports,
        usual_ports=dict(spec.ports),
        url=spec.url.format(host=spec.host, **ports),
        log=log_file,
        shared_memory_prefix=spec.shared_memory_prefix,
    )
    write_state(home, state)
    log.info("service_started", service=spec.name, pid=state.pid, url=state.url, log=str(log_file))
    return state


def _end(home: Path, state: ServiceState, *, grace_s: float) -> None:
    left = end_processes(state.pid, state.create_time, state.token, grace_s=grace_s)
    if left:
        raise ServiceStopError(f"{state.name}: processes {left} cannot be ended; end them, then stop again")
    if state.shared_memory_prefix:
        remove_shared_memory(state.shared_memory_prefix, since=state.create_time)
    state_file(home, state.name).unlink(missing_ok=True)
    log.info("service_stopped", service=state.name, pid=state.pid)


def _clean_up(home: Path, name: str) -> None:
    """What a killed service left behind goes before the next start."""
    state = read_state(home, name)
    if state is not None:
        _end(home, state, grace_s=2.0)


def _log_hint(path: Path) -> str:
    tail = " | ".join(log_tail(path))
    return f"log {path}: {tail[-1500:] or '(empty)'}"


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Two commands at once must not start a service twice; the folder itself is the lock."""
    folder = home / "servers"
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
