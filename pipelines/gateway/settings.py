"""The sections of params.yaml that the online path reads: the same ones that training used."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from components.ingest_dicom.params import IngestParams
from components.prepare_vertebrae.params import PrepareParams
from components.segment_levels.params import SegmentParams
from components.validate_dicom.params import ValidateParams
from models.params import load_section


@dataclass(frozen=True)
class GatewayParams:
    """Reading, rules, preparation, and the engine for studies without levels (off unless a site turns it on)."""

    ingest: IngestParams
    validate: ValidateParams
    prepare: PrepareParams
    segment: SegmentParams = field(default_factory=SegmentParams)

    @classmethod
    def load(cls, path: Path, profile: str | None = None) -> Self:
        """From params.yaml, under a profile if one is named."""
        return cls(
            load_section(path, "ingest", IngestParams, profile),
            load_section(path, "validate", ValidateParams, profile),
            load_section(path, "prepare", PrepareParams, profile),
            load_section(path, "segment", SegmentParams, profile),
        )
