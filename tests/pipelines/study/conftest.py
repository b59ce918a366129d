"""A study whose streamed cohorts lie there already: synthetic crops that train in seconds."""

from __future__ import annotations

import io
import json
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from rich.console import Console

from components.prepare_vertebrae.stream_plan import StreamPlan
from components.prepare_vertebrae.stream_store import LATENTS, STORE
from components.prepare_vertebrae.stream_summary import MANIFEST
from components.simulate_cohort.latents import patient_latents
from components.simulate_cohort.patient import draw_patient
from pipelines.study.plan import StudyPlan, study_plan
from tests.crop_store_factory import make_store

ROOT = Path(__file__).resolve().parents[3]
TINY = {
    "simulate": {"matrix": 160, "pixel_spacing_mm": [0.8, 0.95]},
    "prepare": {"geometry": {"pixels": 32}},
    "train": {"arch": "resnet18", "epochs": 2, "device": "cpu", "threads": 1},
    "evaluate": {"bootstrap_draws": 100},
}
TINY_PAPER = {
    "simulate": {**TINY["simulate"], "patients": 40, "seed": 11},
    "prepare": {**TINY["prepare"], "split": {"train": 16, "validation": 4, "calibration": 12, "test": 8}},
    "train": TINY["train"],
    "evaluate": TINY["evaluate"],
}


@pytest.fixture(scope="session")
def params_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's own params.yaml with profiles that train in seconds."""
    document = yaml.safe_load((ROOT / "params.yaml").read_text())
    document["profiles"] = {**document["profiles"], "tiny": TINY, "tiny-paper": TINY_PAPER}
    file = tmp_path_factory.mktemp("params") / "params.yaml"
    file.write_text(yaml.safe_dump(document, sort_keys=False))
    return file


def quiet() -> Console:
    """A console that no test looks at."""
    return Console(file=io.StringIO())


def made_cohort(folder: Path, plan: StreamPlan, prefix: str) -> None:
    """A finished cohort folder as `stream_cohort` leaves it, of synthetic crops."""
    splits = tuple(
        name
        for name in ("train", "validation", "calibration", "test")
        for _ in range(round(10 * getattr(plan.params.prepare.split, name) / plan.patients))
    )
    seed = int(plan.data_version[:6], 16)
    make_store(
        folder / STORE,
        plan.patients,
        seed=seed,
        split_of_ten=splits,
        offsets_mm=(0.0,),
        data_version=plan.data_version,
    )
    file = folder / STORE / "index.parquet"
    index = pd.read_parquet(file)
    index["patient"] = prefix + index["patient"]
    index.to_parquet(file, index=False)
    people = index.drop_duplicates("patient")
    rng = np.random.default_rng(seed)
    latents = pd.DataFrame({"patient": people["patient"].to_numpy()})
    for name in patient_latents(draw_patient(0, 0)):
        latents[name] = rng.standard_normal(len(people))
    latents["sex"] = people["sex"].to_numpy()
    latents["vbmd_mg_cc"] = people["bmd_l1_l4_g_cm2"].to_numpy() * 100 + rng.standard_normal(len(people))
    latents["micro"] = people["tbs_l1_l4"].to_numpy() + 0.05 * rng.standard_normal(len(people))
    latents.to_parquet(folder / LATENTS, index=False)
    manifest = {
        "data_version": plan.data_version,
        "patients": dict(Counter(people["split"])),
        "vendors": dict(Counter(people["vendor"])),
        "crops": len(index),
        "codes": {},
        "replaced": 0,
    }
    (folder / MANIFEST).write_text(json.dumps(manifest))


@dataclass(frozen=True)
class Study:
    """A plan, and the folder that holds its cohorts already."""

    plan: StudyPlan
    out: Path


@pytest.fixture(scope="session")
def tiny_study(params_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """40 patients to train on, 20 to calibrate, a test cohort of 40."""
    plan = study_plan(
        params_file,
        "tiny",
        test_seeds=[101],
        train_patients=28,
        validation_patients=12,
        calibration_patients=20,
        test_patients=40,
    )
    assert plan.calibration is not None
    out = tmp_path_factory.mktemp("study")
    made_cohort(out / "cohorts" / "training", plan.training, "t")
    made_cohort(out / "cohorts" / "calibration", plan.calibration, "c")
    for name, test in plan.tests.items():
        made_cohort(out / "cohorts" / name.replace(" ", "-"), test, name)
    return Study(plan, out)


def other_training(study: Study, **changes: object) -> StudyPlan:
    """The plan with other training parameters."""
    return replace(study.plan, train=study.plan.train.model_copy(update=changes))
