"""What this machine has and lacks, and how to get it."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipelines.workspace import Workspace

MEMORY_GB = 6
DISK_GB = 3


@dataclass(frozen=True)
class Finding:
    """One line of the doctor.

    Attributes
    ----------
    need
        `required` for the main job and predict, `optional` for something named in `mend`, `advice` for what works
        and should be looked at.
    """

    name: str
    ok: bool
    found: str
    need: Literal["required", "optional", "advice"]
    mend: str = ""


def examine(workspace: Workspace) -> list[Finding]:
    """Every finding, required ones first."""
    return [*_required(workspace), *_optional(workspace)]


def _required(workspace: Workspace) -> Iterator[Finding]:
    python = sys.version_info
    yield Finding(
        "Python 3.11",
        python[:2] == (3, 11),
        f"{python[0]}.{python[1]}.{python[2]}",
        "required",
        "install Python 3.11 and run `make setup`",
    )
    for tool in ("git", "make"):
        path = shutil.which(tool)
        yield Finding(tool, path is not None, path or "not found", "required", f"apt-get install {tool}")
    wrong = list(_unmet_pins(workspace.root / "requirements.txt"))
    yield Finding(
        "pinned packages",
        not wrong,
        "as pinned" if not wrong else ", ".join(wrong[:4]),
        "required",
        "make setup",
    )
    yield _library("libpython3.11.so.1.0")
    from components.deploy_triton.server_environment import is_ready

    ready = is_ready(workspace.triton_environment)
    yield Finding(
        "tritonserver",
        ready,
        "ready" if ready else "not installed yet",
        "required",
        "osteogate serve start (or the first deploy) installs it from requirements-triton.txt",
    )
    free = shutil.disk_usage(workspace.root).free / 1e9
    yield Finding(
        "disk", free >= DISK_GB, f"{free:.0f} GB free", "required", f"free {DISK_GB} GB for the demo"
    )
    yield _disk_use(workspace)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    yield Finding(
        "memory", memory >= MEMORY_GB, f"{memory:.0f} GB", "required", f"the demo needs {MEMORY_GB} GB"
    )
    yield Finding(
        "data set",
        workspace.data.is_dir(),
        "present" if workspace.data.is_dir() else "not there yet",
        "required",
        "osteogate run regenerates it (or pulls it from a DVC remote)",
    )


def _disk_use(workspace: Workspace) -> Finding:
    from models.params import load_section
    from pipelines.retention.disk import disk_use
    from pipelines.retention.params import RetentionParams

    use = disk_use(workspace, load_section(workspace.params_file, "retention", RetentionParams))
    return Finding("disk use", not use.over, use.line(), "advice", "osteogate retention lists what may go")


def _library(name: str) -> Finding:
    from components.deploy_triton.errors import TritonInstallationError
    from components.deploy_triton.server_environment import find_libpython

    mend = "apt-get install libpython3.11 (tritonserver's Python backend loads it)"
    try:
        return Finding(name, True, str(find_libpython()), "required", mend)
    except TritonInstallationError:
        return Finding(name, False, "not found", "required", mend)


def _optional(workspace: Workspace) -> Iterator[Finding]:
    import torch

    yield Finding(
        "GPU",
        torch.cuda.is_available(),
        "CUDA" if torch.cuda.is_available() else "none: training runs on CPU",
        "optional",
        "a CUDA build of torch and a GPU make training faster",
    )
    chromium = shutil.which("chromium")
    yield Finding(
        "chromium",
        chromium is not None,
        chromium or "not found",
        "optional",
        "apt-get install chromium (screenshots of the reports in tests)",
    )
    real = Path(os.environ.get("OSTEOGATE_REAL_DATA", workspace.root.parent / "shared" / "data"))
    yield Finding(
        "real CT for tests",
        real.is_dir(),
        "present" if real.is_dir() else "absent: those tests are skipped",
        "optional",
        "set OSTEOGATE_REAL_DATA",
    )
    for tool in ("buildah", "kubectl"):
        path = shutil.which(tool)
        yield Finding(
            tool,
            path is not None,
            path or "not found",
            "optional",
            f"needed by `make image` ({tool})" if tool == "buildah" else "needed to look at a cluster",
        )


def _unmet_pins(lock: Path) -> Iterator[str]:
    """Pins of the lock that are not met, as `name found!=pinned`."""
    for line in lock.read_text().splitlines():
        pin = line.split("#")[0].strip()
        if "==" not in pin:
            continue
        name, version = pin.split("==")
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield f"{name} missing"
            continue
        if found.split("+")[0] != version:
            yield f"{name} {found}!={version}"
