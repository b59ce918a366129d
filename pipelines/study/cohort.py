"""A streamed cohort of a study: its crops, what the page says of it, and what the simulator drew."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from components.prepare_vertebrae.split import assign_splits
from components.prepare_vertebrae.stream import KEY
from components.prepare_vertebrae.stream_plan import StreamPlan
from components.prepare_vertebrae.stream_store import LATENTS
from components.prepare_vertebrae.stream_summary import MANIFEST
from components.prepare_vertebrae.streamed_patient import stream_hash
from components.simulate_cohort.latents import patient_latents
from components.simulate_cohort.patient import draw_patient
from models.crop_store import CropStore
from pipelines.study.study_file import CohortFacts


@dataclass(frozen=True)
class Cohort:
    """A streamed cohort as it is used."""

    folder: Path
    plan: StreamPlan
    store: CropStore

    def facts(self, name: str) -> CohortFacts:
        """What the page says of it."""
        manifest = json.loads((self.folder / MANIFEST).read_text())
        return CohortFacts(
            name=name,
            seed=self.plan.seed,
            data_version=manifest["data_version"],
            patients=manifest["patients"],
            vendors=manifest["vendors"],
            crops=manifest["crops"],
            left_out=manifest["codes"],
            replaced=manifest["replaced"],
        )

    def latents(self) -> pd.DataFrame:
        """Hidden causes by patient, as drawn for the patient: nothing of the scanner, the scan or the labels."""
        table = pd.read_parquet(self.folder / LATENTS)
        return table[["patient", *patient_latents(draw_patient(0, 0))]]


def planned_people(plan: StreamPlan) -> pd.DataFrame:
    """Vendor and split of each patient whom streaming the plan will give: known before anybody is simulated."""
    tasks = plan.tasks()
    vendors = [task.vendor for task in tasks]
    ids = [stream_hash(task.index, plan.seed) for task in tasks]
    return pd.DataFrame(
        {"vendor": vendors, "split": assign_splits(ids, vendors, plan.params.prepare.split, KEY)}
    )
