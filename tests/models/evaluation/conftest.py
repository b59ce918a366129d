"""One evaluation of believable patients, which many tests read."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from models.bone_reference import ScalesParams
from models.crop_store import CropGeometry
from models.decision import DecisionRules, Versions
from models.evaluation.answers import DataIdentity
from models.evaluation.report import Evaluation, evaluate
from models.evaluation.report_file import ModelIdentity
from models.evaluation.settings import EvaluateParams
from models.params import load_section
from tests import simulated_predictions as simulated

PARAMS_FILE = Path(__file__).resolve().parents[3] / "params.yaml"
SCALES = load_section(PARAMS_FILE, "scales", ScalesParams)
PARAMS = load_section(PARAMS_FILE, "evaluate", EvaluateParams).model_copy(update={"bootstrap_draws": 100})
DATA = DataIdentity(
    "simulated",
    "v1",
    CropGeometry(pixels=96, size_mm=64.0, slices=3, slice_spacing_mm=2.0, centre_shift_mm=6.0),
)


def evaluated(crops: pd.DataFrame, frozen_rules: DecisionRules | None = None) -> Evaluation:
    """The real evaluation, with few resamples."""
    return evaluate(
        crops,
        data=DATA,
        model=ModelIdentity(weights_sha256="0" * 64, version="000000000000"),
        versions=Versions("v1", "c", "p", "m"),
        scales=SCALES,
        params=PARAMS,
        frozen_rules=frozen_rules,
    )


@pytest.fixture(scope="session")
def crops() -> pd.DataFrame:
    """To be copied before it is changed."""
    return simulated.crops(1, simulated.of_quality(0.87, 0.55))


@pytest.fixture(scope="session")
def evaluation(crops: pd.DataFrame) -> Evaluation:
    return evaluated(crops)
