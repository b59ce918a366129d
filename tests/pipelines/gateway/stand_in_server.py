"""A stand-in for the model server: it is not Triton, and says fixed numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from components.deploy_triton.client import Prediction
from models.decision import Cutoffs, DecisionRules, Geometry, Reference, Versions


def rules(**changes: object) -> DecisionRules:
    values: dict[str, object] = {
        "schema_version": 1, "data_kind": "simulated", "cutoffs": Cutoffs(0.90, 0.75, 1.25),
        "flag_on": ("osteopenia", "osteoporosis", "impaired_tbs"), "bmd_half_width_g_cm2": 0.10,
        "tbs_half_width": 0.12, "interval_coverage": 0.9,
        "reference": Reference("Hologic female L1-L4", 1.047, 0.110, -1.0, -2.5, 1.31),
        "geometry": Geometry(96, 64.0, 3, 2.0, 6.0), "versions": Versions("data-7", "code", "params", "weights"),
        "vendors": ("GE", "Siemens"), "kvp_minimum": 80.0, "kvp_maximum": 140.0,
    }  # fmt: skip
    return DecisionRules(**(values | changes))  # type: ignore[arg-type]


@dataclass
class StandInServer:
    """Not Triton: answers fixed numbers, and remembers what it was asked."""

    folder: Path
    bmd_g_cm2: float = 1.05
    tbs: float = 1.40
    versions: tuple[str, ...] = ("3", "4")
    asked: list[tuple[np.ndarray, np.ndarray, str]] = field(default_factory=list)

    def loaded_versions(self) -> list[str]:
        return list(self.versions)

    def decision_folder(self, version: str) -> Path:
        return self.folder

    def predict(self, crops: np.ndarray, acquisition: np.ndarray, *, version: str = "") -> Prediction:
        self.asked.append((crops, acquisition, version))
        steps = np.linspace(-0.02, 0.02, len(crops), dtype=np.float32)
        return Prediction(self.bmd_g_cm2 + steps, self.tbs + steps, version)
