"""Frozen rules, small parameters and a model server stand-in whose answers follow the crops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from components.detect_drift.study import TrafficStudy
from components.prepare_vertebrae.params import PrepareParams
from components.simulate_cohort.params import SimulateParams
from models.decision import (
    SCHEMA_VERSION,
    Cutoffs,
    DecisionRules,
    Geometry,
    Reference,
    Versions,
    write_rules,
)
from models.params import load_section
from monitoring.params import MonitorParams

PARAMS = Path(__file__).resolve().parents[3] / "params.yaml"


@pytest.fixture(scope="session")
def simulate_params() -> SimulateParams:
    return load_section(PARAMS, "simulate", SimulateParams)


@pytest.fixture(scope="session")
def prepare_params() -> PrepareParams:
    return load_section(PARAMS, "prepare", PrepareParams)


@pytest.fixture(scope="session")
def monitor() -> MonitorParams:
    named = load_section(PARAMS, "monitor", MonitorParams)
    return named.model_copy(update={"reference_per_vendor": 40, "current_per_vendor": 24})


@pytest.fixture(scope="session")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """decision.json."""
    path = tmp_path_factory.mktemp("rules") / "decision.json"
    write_rules(
        DecisionRules(
            schema_version=SCHEMA_VERSION,
            data_kind="simulated",
            cutoffs=Cutoffs(0.93, 0.77, 1.31),
            flag_on=("osteopenia",),
            bmd_half_width_g_cm2=0.1,
            tbs_half_width=0.12,
            interval_coverage=0.9,
            reference=Reference("Hologic female L1-L4", 1.047, 0.11, -1.0, -2.5, 1.31),
            geometry=Geometry(96, 64.0, 3, 2.0, 6.0),
            versions=Versions("data", "code", "params", "model"),
            vendors=("GE", "Siemens", "Philips", "Canon"),
            kvp_minimum=80.0,
            kvp_maximum=140.0,
        ),
        path,
    )
    return path


def draw_study(name: str, vendor: str, rng: np.random.Generator, shift_hu: float = 0.0) -> TrafficStudy:
    """A study with tiny crops; the soft tissue of a vendor has SD 4 HU between studies."""
    calibration = rng.normal(0, 4) + shift_hu
    bone = rng.normal(125, 45) + shift_hu
    return TrafficStudy(
        study=name,
        vendor=vendor,
        model="CT",
        kvp=float(rng.choice([100, 120], p=[0.3, 0.7])),
        kernel_class="soft",
        slice_thickness_mm=float(rng.choice([2.0, 3.0])),
        pixel_spacing_mm=float(rng.uniform(0.55, 0.8)),
        sex="F",
        age_years=65.0,
        crops=np.full((4, 1, 2, 2), round(bone), dtype=np.int16),
        statistics={
            "soft_tissue_peak_hu": 50 + calibration,
            "fat_peak_hu": -100 + calibration,
            "noise_hu": float(rng.lognormal(2.8, 0.4)),
            "trabecular_hu": bone,
        },
    )


@pytest.fixture(scope="session")
def make_study():
    return draw_study
