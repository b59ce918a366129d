"""Triton's model repository: a version is there complete or not at all.

<root>/<model>/config.pbtxt
<root>/<model>/<version>/model.onnx, decision.json, decision.py, model.json, golden.npz
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from string import Template

import structlog

from components.deploy_triton.errors import RepositoryError
from components.deploy_triton.params import DeployParams
from models.decision import read_rules

CONFIG_TEMPLATE = Path(__file__).resolve().parents[2] / "infra" / "triton" / "config.pbtxt"
SERVED_FILES = ("model.onnx", "decision.json", "decision.py", "model.json", "golden.npz")

log = structlog.get_logger()


def version_folder(root: Path, model: str, version: int) -> Path:
    """Where a version lies."""
    return root / model / str(version)


def versions(root: Path, model: str) -> list[int]:
    """Complete versions in the repository, ascending."""
    folder = root / model
    if not folder.is_dir():
        return []
    return sorted(int(item.name) for item in folder.iterdir() if item.is_dir() and item.name.isdigit())


def publish(root: Path, model: str, version: int, bundle: Path, params: DeployParams) -> Path:
    """Bring a version in: written beside on the same filesystem, then renamed; the configuration likewise.

    Publishing the same content again changes nothing.

    Raises
    ------
    RepositoryError
        A file is missing from the bundle, the version exists with other content, or writing failed; what
        was there before is untouched.
    """
    missing = [name for name in SERVED_FILES if not (bundle / name).is_file()]
    if missing:
        raise RepositoryError(f"{bundle}: {', '.join(missing)} missing; a version needs {SERVED_FILES}")
    target = version_folder(root, model, version)
    if target.exists():
        if _digest(target) != _digest(bundle):
            raise RepositoryError(f"{target}: exists with other content; a published version never changes")
        write_config(root, model, target, params)
        return target
    partial = target.with_name(f".{version}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for name in SERVED_FILES:
            shutil.copyfile(bundle / name, partial / name)
            _flush(partial / name)
        write_config(root, model, bundle, params)
        partial.rename(target)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise RepositoryError(f"{target}: not published ({error.strerror}); free space and retry") from error
    log.info("version_published", model=model, version=version)
    return target


def remove(root: Path, model: str, version: int) -> None:
    """Take a version out at once (renamed aside, then deleted); the others stay."""
    folder = version_folder(root, model, version)
    retired = folder.with_name(f".{version}.retired")
    shutil.rmtree(retired, ignore_errors=True)
    try:
        folder.rename(retired)
    except FileNotFoundError:
        return
    shutil.rmtree(retired, ignore_errors=True)
    log.info("version_removed", model=model, version=version)


def remove_model(root: Path, model: str) -> None:
    """Take a whole model out, its configuration too."""
    shutil.rmtree(root / model, ignore_errors=True)


def render_config(model: str, version: Path, params: DeployParams) -> str:
    """config.pbtxt for crops of the geometry that the version's decision.json names."""
    geometry = read_rules(version / "decision.json").geometry
    return Template(CONFIG_TEMPLATE.read_text(encoding="utf-8")).substitute(
        name=model,
        slices=geometry.slices,
        pixels=geometry.pixels,
        max_batch_size=params.max_batch_size,
        instances=params.instances,
        max_queue_size=params.max_queue_size,
        queue_timeout_us=params.queue_timeout_ms * 1000,
    )


def write_config(root: Path, model: str, version: Path, params: DeployParams) -> None:
    """Write config.pbtxt only when it differs: a touched one makes Triton load every version again."""
    path = root / model / "config.pbtxt"
    text = render_config(model, version, params)
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(".config.pbtxt.partial")
    partial.write_text(text, encoding="utf-8")
    _flush(partial)
    partial.replace(path)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _digest(folder: Path) -> str:
    total = hashlib.sha256()
    for name in SERVED_FILES:
        path = folder / name
        total.update(name.encode())
        total.update(hashlib.sha256(path.read_bytes()).digest() if path.is_file() else b"absent")
    return total.hexdigest()
