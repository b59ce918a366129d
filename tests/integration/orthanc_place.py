"""A real Orthanc (Debian: orthanc, orthanc-dicomweb) on loopback for one test module.

It is started as `Orthanc CONFIG.json`, listens on a free port, wants a login, keeps everything in a temporary
folder and speaks no DIMSE.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
LOGIN = ("osteogate", "only-for-tests")


@dataclass(frozen=True)
class Orthanc:
    """A running server."""

    port: int

    @property
    def url(self) -> str:
        """Root of its DICOMweb service."""
        return f"http://127.0.0.1:{self.port}/dicom-web"

    def store(self, paths: Iterable[Path]) -> None:
        """Put files in."""
        for path in paths:
            answer = requests.post(self._rest("instances"), path.read_bytes(), auth=LOGIN, timeout=30)
            answer.raise_for_status()

    def remove(self, sop_instance_uid: str) -> None:
        """Take one instance out."""
        found = requests.post(self._rest("tools/lookup"), sop_instance_uid, auth=LOGIN, timeout=30).json()
        requests.delete(self._rest(f"instances/{found[0]['ID']}"), auth=LOGIN, timeout=30).raise_for_status()

    def _rest(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"


def why_absent() -> str:
    """What is missing on this machine; "" when Orthanc can be started."""
    if shutil.which("Orthanc") is None or not PLUGIN.is_file():
        return "Orthanc with its DICOMweb plug-in is absent: apt-get install orthanc orthanc-dicomweb"
    return ""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running_orthanc(folder: Path) -> Iterator[Orthanc]:
    """Start it, wait until it answers, and end it."""
    port = free_port()
    config = folder / "orthanc.json"
    config.write_text(
        json.dumps(
            {
                "Name": "test",
                "StorageDirectory": str(folder / "storage"),
                "IndexDirectory": str(folder / "storage"),
                "Plugins": [str(PLUGIN)],
                "HttpPort": port,
                "DicomServerEnabled": False,
                "RemoteAccessAllowed": False,
                "AuthenticationEnabled": True,
                "RegisteredUsers": {LOGIN[0]: LOGIN[1]},
                "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
            }
        )
    )
    with (folder / "orthanc.log").open("w") as log:
        process = subprocess.Popen(["Orthanc", str(config)], stdout=log, stderr=log)
        try:
            _wait(process, port, folder / "orthanc.log")
            yield Orthanc(port)
        finally:
            process.terminate()
            process.wait(30)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            requests.get(f"http://127.0.0.1:{port}/system", auth=LOGIN, timeout=5).raise_for_status()
            return
        except requests.ConnectionError:
            time.sleep(0.1)
    raise AssertionError(f"Orthanc did not start: {log.read_text()[-2000:]}")
