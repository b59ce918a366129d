"""Background services: started detached, found again, stopped with nothing left behind."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from monitoring import service
from monitoring.service import ServiceSpec, ServiceStartError, ServiceState
from monitoring.service_process import SHARED_MEMORY, TOKEN_VARIABLE, remove_shared_memory

SERVER = """
import socket, sys, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
while True:
    server.accept()[0].close()
"""
WITH_STUBBORN_CHILD = """
import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", child], start_new_session=True)
"""


def spec(script: str = SERVER, port: int = 0, **changes: object) -> ServiceSpec:
    def command(host: str, ports: Mapping[str, int]) -> list[str]:
        return [sys.executable, "-c", script, str(ports["http"])]

    values: dict[str, object] = {
        "name": "little",
        "command": command,
        "ports": {"http": port},
        "url": "http://{host}:{http}",
    }
    return ServiceSpec(**{**values, **changes})  # type: ignore[arg-type]


def answers(state: ServiceState) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", state.ports["http"]), 1):
        return True
    return False


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "home"
    yield folder
    service.stop(folder, "little", grace_s=0.5)


def left_of(state: ServiceState) -> list[int]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if (
                process.environ().get(TOKEN_VARIABLE) == state.token
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                found.append(process.pid)
    return found


def test_start_status_stop_leave_nothing_behind(home: Path) -> None:
    state = service.start(home, spec(), probe=answers, timeout_s=20)
    assert service.status(home, "little") == state
    assert state.url == f"http://127.0.0.1:{state.ports['http']}"
    assert "listening" in state.log.read_text()
    assert os.getsid(state.pid) == state.pid  # its own session: closing the terminal does not end it
    assert service.stop(home, "little")
    assert service.status(home, "little") is None
    assert left_of(state) == []
    assert list((home / "servers").iterdir()) == []
    assert not service.stop(home, "little")


def test_second_start_returns_the_running_one(home: Path) -> None:
    first = service.start(home, spec(), probe=answers, timeout_s=20)
    assert service.start(home, spec(), probe=answers, timeout_s=20).pid == first.pid


def test_taken_port_is_replaced_and_named(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        state = service.start(home, spec(port=taken), probe=answers, timeout_s=20)
    assert state.ports["http"] != taken
    assert state.moved_ports() == {"http": (taken, state.ports["http"])}


def test_ending_at_start_shows_the_last_log_lines(home: Path) -> None:
    script = "import sys; print('reading configuration'); sys.exit('configuration is wrong')"
    with pytest.raises(ServiceStartError, match="configuration is wrong") as caught:
        service.start(home, spec(script), probe=answers, timeout_s=20)
    assert caught.value.exit_code == 5
    assert "\n" not in str(caught.value)
    assert list((home / "servers").iterdir()) == []


def test_not_answering_in_time_is_ended(home: Path) -> None:
    with pytest.raises(ServiceStartError, match=r"did not answer within 0\.5 s"):
        service.start(home, spec("import time; time.sleep(600)"), probe=answers, timeout_s=0.5)
    assert list((home / "servers").iterdir()) == []


def test_missing_program_is_named(home: Path) -> None:
    broken = spec(command=lambda host, ports: ["/nowhere/server"])
    with pytest.raises(ServiceStartError, match="/nowhere/server cannot be run"):
        service.start(home, broken, probe=answers, timeout_s=5)


def test_processes_that_ignore_sigterm_and_their_detached_children_end_too(home: Path) -> None:
    script = WITH_STUBBORN_CHILD + SERVER
    state = service.start(home, spec(script), probe=answers, timeout_s=20)
    assert len(left_of(state)) == 2
    service.stop(home, "little", grace_s=0.3)
    assert left_of(state) == []


def test_children_of_a_killed_server_are_found_by_stop(home: Path) -> None:
    state = service.start(home, spec(WITH_STUBBORN_CHILD + SERVER), probe=answers, timeout_s=20)
    psutil.Process(state.pid).kill()
    deadline = time.monotonic() + 5
    while service.status(home, "little") is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert service.status(home, "little") is None
    assert len(left_of(state)) == 1
    assert service.stop(home, "little")
    assert left_of(state) == []


def test_reused_pid_is_not_touched(home: Path) -> None:
    state = service.start(home, spec(), probe=answers, timeout_s=20)
    service.stop(home, "little")
    file = home / "servers" / "little.json"
    stranger = state.model_copy(update={"pid": os.getpid()})  # this very process, started at another time
    file.write_text(json.dumps(stranger.model_dump(mode="json")))
    assert service.status(home, "little") is None
    assert not service.stop(home, "little")
    assert psutil.Process().is_running()
    assert not file.exists()


def test_orphaned_shared_memory_goes_and_mapped_stays() -> None:
    prefix = f"osteogate_test_{os.getpid()}_"
    orphan, mapped = SHARED_MEMORY / f"{prefix}orphan", SHARED_MEMORY / f"{prefix}mapped"
    old = SHARED_MEMORY / f"{prefix}old"
    import mmap

    try:
        for path in (orphan, mapped, old):
            path.write_bytes(b"\0" * 4096)
        os.utime(old, (0, 0))
        with mapped.open("r+b") as stream, mmap.mmap(stream.fileno(), 4096):
            assert remove_shared_memory(prefix, since=time.time() - 60) == [orphan.name]
        assert mapped.exists()
        assert old.exists()
    finally:
        for path in (orphan, mapped, old):
            path.unlink(missing_ok=True)
