"""The real tritonserver's own small environment, `.venv-triton`, made from requirements-triton.txt.

The wheel nvidia-pytriton carries the server and its Python backend, but not in the layout that a standalone
server wants; `server/backends` inside the environment is that layout.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from components.deploy_triton.errors import TritonInstallationError

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "requirements-triton.txt"
OUR_BACKEND = ROOT / "infra" / "triton" / "backends" / "onnxruntime" / "model.py"
LIBPYTHON = "libpython3.11.so.1.0"
PYTHON_VERSION = (3, 11)  # of the stub that is taken from the wheel
_MARKER = "osteogate-ready"

log = structlog.get_logger()


@dataclass(frozen=True)
class ServerEnvironment:
    """A complete environment.

    Attributes
    ----------
    binary
        tritonserver.
    backends
        Backend directory with `python/` and our `onnxruntime/`.
    bin
        To be first on PATH: the stub takes its packages from the python3 found there.
    libraries
        Folders for LD_LIBRARY_PATH: the wheel's own libraries and libpython.
    """

    binary: Path
    backends: Path
    bin: Path
    libraries: tuple[Path, ...]

    def variables(self) -> dict[str, str]:
        """Environment variables of the server process."""
        return {
            "PATH": os.pathsep.join([str(self.bin), os.environ.get("PATH", os.defpath)]),
            "VIRTUAL_ENV": str(self.bin.parent),
            "LD_LIBRARY_PATH": os.pathsep.join(str(folder) for folder in self.libraries),
            "PYTHONPATH": "",
            "PYTHONDONTWRITEBYTECODE": "1",  # a read-only repository stays untouched
        }


def find_libpython() -> Path:
    """The folder that holds libpython3.11, which the backend's stub needs.

    Raises
    ------
    TritonInstallationError
        It is nowhere: Debian's own Python comes without it.
    """
    places = [
        Path(str(sysconfig.get_config_var("LIBDIR") or "")),
        Path(sys.base_prefix) / "lib",
        *(Path("/usr/lib") / machine for machine in (f"{platform.machine()}-linux-gnu",)),
        Path("/usr/lib64"),
        Path("/usr/local/lib"),
    ]
    for folder in places:
        if (folder / LIBPYTHON).exists():
            return folder
    raise TritonInstallationError(
        f"{LIBPYTHON} is missing, which Triton's Python backend needs; install the Debian package "
        "libpython3.11 (apt-get install libpython3.11)"
    )


def is_ready(environment: Path) -> bool:
    """Whether the environment is complete and made from the present requirements."""
    marker = environment / _MARKER
    return marker.is_file() and marker.read_text(encoding="utf-8") == _fingerprint()


def ensure_environment(environment: Path) -> ServerEnvironment:
    """Make the environment where it is missing, incomplete or of older requirements; else only check it.

    Raises
    ------
    TritonInstallationError
        libpython3.11 is missing, Python is not 3.11, or pip could not install the packages.
    """
    environment = environment.resolve()
    libpython = find_libpython()
    if sys.version_info[:2] != PYTHON_VERSION:
        raise TritonInstallationError(f"Python {platform.python_version()}; the server's stub needs 3.11")
    with _locked(environment):
        if not is_ready(environment):
            _make(environment)
        _place_our_backend(environment)
    return _layout(environment, libpython)


def _make(environment: Path) -> None:
    log.info("triton_environment_making", path=str(environment), requirements=REQUIREMENTS.name)
    shutil.rmtree(environment, ignore_errors=True)
    python = environment / "bin" / "python"
    _command([sys.executable, "-m", "venv", "--without-pip", str(environment)])
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", "--no-input"]
    _command([*pip, "install", "--quiet", "--no-deps", "--requirement", str(REQUIREMENTS)])
    wheel = _site_packages(environment) / "pytriton" / "tritonserver"
    stub = wheel / "python_backend_stubs" / "3.11" / "triton_python_backend_stub"
    backend = environment / "server" / "backends" / "python"
    backend.mkdir(parents=True)
    for source in (
        wheel / "backends" / "python" / "libtriton_python.so",
        wheel / "backends" / "python" / "triton_python_backend_utils.py",
        stub,
    ):
        shutil.copyfile(source, backend / source.name)  # real copies: the server does not follow links
    (backend / stub.name).chmod(0o755)
    (wheel / "bin" / "tritonserver").chmod(0o755)
    partial = environment / f".{_MARKER}.partial"
    partial.write_text(_fingerprint(), encoding="utf-8")
    partial.replace(environment / _MARKER)


def _place_our_backend(environment: Path) -> None:
    target = environment / "server" / "backends" / "onnxruntime" / "model.py"
    source = OUR_BACKEND.read_bytes()
    if target.is_file() and target.read_bytes() == source:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(".model.py.partial")
    partial.write_bytes(source)
    partial.replace(target)


def _layout(environment: Path, libpython: Path) -> ServerEnvironment:
    packages = _site_packages(environment)
    return ServerEnvironment(
        binary=packages / "pytriton" / "tritonserver" / "bin" / "tritonserver",
        backends=environment / "server" / "backends",
        bin=environment / "bin",
        libraries=(packages / "nvidia_pytriton.libs", libpython),
    )


def _site_packages(environment: Path) -> Path:
    return environment / "lib" / f"python{PYTHON_VERSION[0]}.{PYTHON_VERSION[1]}" / "site-packages"


def _fingerprint() -> str:
    """Changes with the requirements and with the interpreter that the environment was made from."""
    content = REQUIREMENTS.read_bytes() + sys.base_prefix.encode()
    return hashlib.sha256(content).hexdigest()


def _command(command: list[str]) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        lines = [line for line in (result.stderr or result.stdout).splitlines() if line.strip()]
        said = " | ".join(lines[-3:])[-600:]
        raise TritonInstallationError(f"the Triton environment could not be made: {command[2]}: {said}")


@contextmanager
def _locked(environment: Path) -> Iterator[None]:
    """Two commands at once must not build the same environment."""
    environment.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(environment.parent, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
