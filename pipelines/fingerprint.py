"""Fingerprint of a step's source: its own folder, everything of ours that it imports, and the pinned packages.

KFP's own cache key knows a component's image and the text of its shim only; this closes the gap.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("pipelines", "components", "monitoring", "models")
SOURCE_ENDINGS = {".py", ".j2", ".html", ".css", ".js", ".yaml", ".pbtxt"}
PINS = ("requirements.txt",)


def step_fingerprint(root: Path, step: str) -> str:
    """SHA-256 (16 hex digits) over the sources that step `components/<step>` depends on, in path order."""
    return _fingerprint(
        root, {path for path in (root / "components" / step).rglob("*") if path.suffix in SOURCE_ENDINGS}
    )


def module_fingerprint(root: Path, *modules: str) -> str:
    """SHA-256 (16 hex digits) over these modules ('models/training.py') and all of ours that they import."""
    return _fingerprint(root, {root / module for module in modules})


def _fingerprint(root: Path, files: set[Path]) -> str:
    waiting = [path for path in files if path.suffix == ".py"]
    while waiting:
        for imported in _imports(root, waiting.pop()):
            if imported not in files:
                files.add(imported)
                files.update(_data_files(imported))
                waiting.append(imported)
    digest = hashlib.sha256()
    for path in sorted(files | {root / pin for pin in PINS}):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(b"\0")
        digest.update(path.read_bytes())
        digest.update(b"\0")
    return digest.hexdigest()[:16]


def _data_files(module: Path) -> set[Path]:
    """Templates, styles and constants that lie beside a module."""
    return {
        path for path in module.parent.iterdir() if path.suffix in SOURCE_ENDINGS - {".py"} and path.is_file()
    }


def _imports(root: Path, module: Path) -> Iterator[Path]:
    """Files of ours that a module imports, wherever in the module the import stands."""
    tree = ast.parse(module.read_text(encoding="utf-8"), filename=str(module))
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            if name.split(".")[0] in PACKAGES:
                yield from _files_of(root, name)


def _files_of(root: Path, name: str) -> Iterator[Path]:
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        base = root.joinpath(*parts[:depth])
        for candidate in (base.with_suffix(".py"), base / "__init__.py"):
            if candidate.is_file():
                yield candidate
