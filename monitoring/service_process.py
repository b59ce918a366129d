"""Processes, ports and shared memory of background services, as the operating system shows them."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import psutil

TOKEN_VARIABLE = "OSTEOGATE_SERVICE_TOKEN"
SHARED_MEMORY = Path("/dev/shm")
_CLOCK_SLACK_S = 2.0  # create_time is derived from boot time and may move a little when the clock is set


def port_is_free(port: int, host: str) -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: TIME_WAIT is no obstacle
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def choose_port(usual: int, host: str, *, avoid: Collection[int] = ()) -> int:
    """The usual port when it is free, else any free one."""
    if usual and usual not in avoid and port_is_free(usual, host):
        return usual
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind((host, 0))
            port: int = probe.getsockname()[1]
        if port not in avoid:
            return port


def leader(pid: int, create_time: float) -> psutil.Process | None:
    """The process when it lives and is the one that was started, else None."""
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - create_time) < _CLOCK_SLACK_S
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def processes_of(pid: int, create_time: float, token: str) -> list[psutil.Process]:
    """The service's process and all it started that still live, also when the first one is gone."""
    first = leader(pid, create_time)
    found: dict[int, psutil.Process] = {}
    if first is not None:
        found[first.pid] = first
        with suppress(psutil.NoSuchProcess):  # it ended between the two looks; the token finds the rest
            found.update({child.pid: child for child in first.children(recursive=True)})
    for process in psutil.process_iter():
        if process.pid not in found and process.pid != os.getpid() and _carries(process, token):
            found[process.pid] = process
    return [process for process in found.values() if _lives(process)]


def end_processes(pid: int, create_time: float, token: str, *, grace_s: float) -> list[int]:
    """SIGTERM to the first process (it drains and ends its helpers), then SIGKILL to what is left.

    Returns
    -------
    list of int
        Processes that could not be ended.
    """
    first = leader(pid, create_time)
    if first is not None:
        _signal(first, kill=False)
        psutil.wait_procs([first], timeout=grace_s)
    for kill, wait_s in ((False, 2.0), (True, 5.0)):
        rest = processes_of(pid, create_time, token)
        if not rest:
            return []
        for process in rest:
            _signal(process, kill=kill)
        psutil.wait_procs(rest, timeout=wait_s)
    return [process.pid for process in processes_of(pid, create_time, token)]


def remove_shared_memory(prefix: str, *, since: float) -> list[str]:
    """Remove regions of a killed service: of this user, made since its start, mapped by no living process.

    Looked at twice, because a region of another server may exist for an instant before it is mapped.
    """
    orphans = _orphans(prefix, since)
    if orphans:
        time.sleep(0.2)
        orphans &= _orphans(prefix, since)
    for name in orphans:
        (SHARED_MEMORY / name).unlink(missing_ok=True)
    return sorted(orphans)


def _orphans(prefix: str, since: float) -> set[str]:
    if not SHARED_MEMORY.is_dir():
        return set()
    candidates = set()
    for path in SHARED_MEMORY.glob(f"{prefix}*"):
        try:
            facts = path.stat()
        except FileNotFoundError:
            continue  # another server has just removed its own
        if facts.st_uid == os.getuid() and facts.st_mtime >= since - _CLOCK_SLACK_S:
            candidates.add(path.name)
    if candidates:
        candidates -= {name for name in candidates if name in _all_mappings()}
    return candidates


def _all_mappings() -> str:
    texts = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            texts.append((folder / "maps").read_text(errors="replace"))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # ended meanwhile, or another user's, whose regions are not ours to judge
    return "\n".join(texts)


def _carries(process: psutil.Process, token: str) -> bool:
    try:
        return process.environ().get(TOKEN_VARIABLE) == token
    except (psutil.Error, OSError):
        return False  # another user's process, or one that has just ended


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _signal(process: psutil.Process, *, kill: bool) -> None:
    with suppress(psutil.NoSuchProcess):  # already gone, which is what was wanted
        if kill:
            process.kill()
        else:
            process.terminate()
