"""What was streamed, and the manifest that says so beside the store."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from components.prepare_vertebrae.stream_plan import StreamPlan

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class StreamSummary:
    """What was streamed.

    Attributes
    ----------
    patients
        Of the store, by split.
    codes
        How often each code left out a level, or a whole patient.
    replaced
        Patients who gave no crop and whose place another took.
    seconds
        Of this run; an earlier, interrupted one is not counted.
    """

    folder: Path
    data_version: str
    patients: dict[str, int]
    vendors: dict[str, int]
    crops: int
    codes: dict[str, int]
    replaced: int
    seconds: float


def write_manifest(folder: Path, plan: StreamPlan, summary: StreamSummary) -> None:
    """Everything of the summary that the recipe fixes, and the recipe."""
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "kind": "simulated",
        "data_version": summary.data_version,
        "patients": summary.patients,
        "vendors": summary.vendors,
        "crops": summary.crops,
        "codes": summary.codes,
        "replaced": summary.replaced,
        "recipe": plan.recipe(),
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
