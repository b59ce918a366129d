"""The real evaluation of believable patients, with few resamples."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from models.bone_reference import ScalesParams
from models.crop_store import CropGeometry
from models.decision import DecisionRules, Versions
from models.evaluation.answers import DataIdentity
from models.evaluation.report import Evaluation, evaluate
from models.evaluation.report_file import ModelIdentity
from models.evaluation.settings import EvaluateParams
from models.params import load_section

PARAMS_FILE = Path(__file__).resolve().parents[1] / "params.yaml"
SCALES = load_section(PARAMS_FILE, "scales", ScalesParams)
PARAMS = load_section(PARAMS_FILE, "evaluate", EvaluateParams).model_copy(update={"bootstrap_draws": 100})
GEOMETRY = CropGeometry(pixels=96, size_mm=64.0, slices=3, slice_spacing_mm=2.0, centre_shift_mm=6.0)


def evaluated(
    crops: pd.DataFrame, frozen_rules: DecisionRules | None = None, *, test_looks: int | None = None
) -> Evaluation:
    return evaluate(
        crops,
        data=DataIdentity("simulated", "v1", GEOMETRY),
        model=ModelIdentity(weights_sha256="a" * 64, version="aaaaaaaaaaaa"),
        versions=Versions("v1", "c", "p", "m"),
        scales=SCALES,
        params=PARAMS,
        frozen_rules=frozen_rules,
        test_looks=test_looks,
    )
