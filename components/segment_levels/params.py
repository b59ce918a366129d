"""Section `segment` of params.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from models.params import Section


class SegmentParams(Section):
    """Levels for series that come without any, by an engine that a site installs beside OsteoGate.

    Attributes
    ----------
    engine
        `totalsegmentator`, or None: series without levels stay LEVELS_MISSING.
    environment
        Virtual environment that the engine is installed in (infra/images/requirements-totalsegmentator.txt).
    weights
        Folder with the engine's weights. The site puts them there; nothing is ever downloaded.
    resolution_mm
        Of the networks: 3 mm (one network) or 1.5 mm (vertebrae and ribs, after a rough pass at 6 mm).
    device
        Where it runs.
    timeout_s
        Most seconds for one series.
    """

    engine: Literal["totalsegmentator"] | None = None
    environment: Path | None = None
    weights: Path | None = None
    resolution_mm: float = 3.0
    device: Literal["gpu", "cpu"] = "gpu"
    timeout_s: float = Field(default=900.0, gt=0, le=7200)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.engine is not None and (self.environment is None or self.weights is None):
            raise ValueError("with an engine, environment and weights must name folders of this site")
        if self.resolution_mm not in (1.5, 3.0):
            raise ValueError(f"resolution_mm is {self.resolution_mm:g}; accepted: 1.5, 3.0")
        return self
