"""Which patients a streamed cohort holds, and the version of all its bytes depend on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import components
import models
from components.prepare_vertebrae.streamed_patient import StreamParams
from components.simulate_cohort.params import SimulateParams
from components.simulate_cohort.patient_folder import PatientTask
from components.simulate_cohort.simulate import plan_tasks

GENERATOR = "osteogate simulate --stream 1"
# of a cohort on disk only; a streamed one has no planted defects and stores no DICOM
NOT_OF_STREAM = {"patients", "seed", "defects", "rle_share"}
SOURCES = ("simulate_cohort", "ingest_dicom", "validate_dicom", "prepare_vertebrae")


@dataclass(frozen=True)
class StreamPlan:
    """Which patients a streamed cohort holds.

    Attributes
    ----------
    patients, seed
        Their number and what everything follows from; cohorts of different seeds share nobody.
    replace_refused
        Whether the next simulated patient on the same vendor's scanner takes the place of one who gives no crop
        (too few evaluable levels, say), so that the cohort has exactly `patients`.
    """

    patients: int
    seed: int
    simulate: SimulateParams
    params: StreamParams
    replace_refused: bool = True

    def tasks(self) -> list[PatientTask]:
        """The patients of a cohort of this seed and size, without planted defects."""
        sound = self.simulate.model_copy(update={"defects": {}, "rle_share": 0.0})
        return plan_tasks(self.patients, self.seed, sound)

    def recipe(self) -> dict[str, object]:
        """Everything that any byte of the result depends on."""
        return {
            "generator": GENERATOR,
            "code": stream_code(),
            "patients": self.patients,
            "seed": self.seed,
            "replace_refused": self.replace_refused,
            "simulate": self.simulate.model_dump(mode="json", exclude=NOT_OF_STREAM),
            "ingest": self.params.ingest.model_dump(mode="json", exclude={"workers"}),
            "validate": self.params.validate.model_dump(mode="json"),
            "prepare": self.params.prepare.model_dump(mode="json"),
        }

    @property
    def data_version(self) -> str:
        """32 hex digits over the recipe: the same recipe gives the same bytes."""
        return hashlib.sha256(json.dumps(self.recipe(), sort_keys=True).encode()).hexdigest()[:32]


@cache
def stream_code() -> str:
    """16 hex digits over the sources that make a streamed patient."""
    folders = [Path(components.__path__[0]) / name for name in SOURCES]
    files = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    names = ("crop_store.py", "levels.py", "dxa_columns.py", "bone_reference.py", "refusal.py")
    files += [Path(models.__path__[0]) / name for name in names]
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.parent.name}/{path.name}".encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
