"""Kept pixels of simulated traffic: crops and statistics depend on the simulator, never on the model."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from dataclasses import fields
from functools import cache
from pathlib import Path

import numpy as np
import structlog

import components
import models
from components.detect_drift.study import TrafficStudy

_log = structlog.get_logger()
KEPT = 2  # recipes whose pixels are kept; older ones go
SOURCES = ("simulate_cohort", "ingest_dicom", "prepare_vertebrae")


@cache
def code_hash() -> str:
    """16 hex digits over the sources that make a study's pixels."""
    folders = [Path(components.__path__[0]) / name for name in SOURCES]
    files = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    files += [Path(components.__path__[0]) / "detect_drift" / "study.py"]
    files += [Path(models.__path__[0]) / name for name in ("crop_store.py", "levels.py")]
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


class TrafficCache:
    """One .npz per study below `folder/key`.

    Parameters
    ----------
    key
        Of the recipe (`TrafficPlan.key`); pixels of all but the newest recipes are removed.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder / key
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.touch()
        others = sorted(
            (path for path in folder.iterdir() if path.is_dir()),
            key=lambda path: path.stat().st_mtime,
            reverse=True,
        )
        for old in others[KEPT:]:
            shutil.rmtree(old, ignore_errors=True)

    def holds(self, study: str) -> bool:
        """Whether the study can be loaded; a damaged file is removed and counts as absent."""
        path = self._path(study)
        if not path.is_file():
            return False
        if not zipfile.is_zipfile(path):
            _log.warning("traffic_cache.damaged", file=path.name)
            path.unlink()
            return False
        return True

    def load(self, study: str) -> TrafficStudy:
        """The kept study."""
        with np.load(self._path(study), allow_pickle=False) as content:
            facts = json.loads(str(content["facts"]))
            return TrafficStudy(crops=content["crops"], **facts)

    def save(self, study: TrafficStudy) -> None:
        """Keep it; written beside and renamed in."""
        facts = {item.name: getattr(study, item.name) for item in fields(study) if item.name != "crops"}
        path = self._path(study.study)
        partial = path.with_name(f".{path.name}.partial")
        with partial.open("wb") as target:
            np.savez(target, crops=study.crops, facts=np.array(json.dumps(facts)))
        partial.replace(path)

    def _path(self, study: str) -> Path:
        return self.folder / f"{study}.npz"
