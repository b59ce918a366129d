"""Reports of models of known quality, measured by the real evaluation on believable patients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from components.gate_promotion.policy import GateParams
from models.bone_reference import ScalesParams
from models.crop_store import CropGeometry
from models.decision import Versions
from models.evaluation.answers import DataIdentity
from models.evaluation.baselines import BASELINES, baseline_predictions
from models.evaluation.measures import freeze_cutoffs, gain_in_r, patient_metrics
from models.evaluation.report import evaluate
from models.evaluation.report_file import EvaluationReport, ModelIdentity
from models.evaluation.settings import EvaluateParams
from models.evaluation.tables import measured_tables
from models.params import load_section
from tests import simulated_predictions as simulated

PARAMS_FILE = Path(__file__).resolve().parents[3] / "params.yaml"
Judge = Callable[..., EvaluationReport]


@pytest.fixture(scope="session")
def gate_params() -> GateParams:
    return load_section(PARAMS_FILE, "gate", GateParams)


@pytest.fixture(scope="session")
def judge() -> Judge:
    """`judge(estimator, seed, test=28, sha="c")`: what the gate reads of a report, measured anew.

    One whole report serves as the frame; the metrics and gains that rules are about, and the counts, are of
    the asked seed and estimator.
    """
    scales = load_section(PARAMS_FILE, "scales", ScalesParams)
    params = load_section(PARAMS_FILE, "evaluate", EvaluateParams).model_copy(update={"bootstrap_draws": 100})
    age_sex = next(baseline for baseline in BASELINES if baseline.name == "age_sex")
    frame = evaluate(
        simulated.crops(0, simulated.of_quality(0.87, 0.55)),
        data=DataIdentity(
            "simulated",
            "v1",
            CropGeometry(pixels=96, size_mm=64.0, slices=3, slice_spacing_mm=2.0, centre_shift_mm=6.0),
        ),
        model=ModelIdentity(weights_sha256="f" * 64, version="frame"),
        versions=Versions("v1", "c", "p", "m"),
        scales=scales,
        params=params,
    ).report

    def measure(
        estimator: simulated.Estimator, seed: int, test: int = 28, sha: str = "c"
    ) -> EvaluationReport:
        crops = simulated.crops(seed, estimator, simulated.SPLIT_COUNTS | {"test": test})
        people = measured_tables(crops, params.minimum_levels).patients
        calibration, judged = (people[people["split"] == split] for split in ("calibration", "test"))
        beside = baseline_predictions(people, age_sex)
        assert not isinstance(beside, str)
        how = params.resampling.model_copy(update={"draws": 200})
        return frame.model_copy(
            update={
                "model": ModelIdentity(weights_sha256=sha * 64, version=sha),
                "patient": patient_metrics(
                    judged, freeze_cutoffs(calibration, scales, params), scales, params
                ),
                "gains": {
                    "age_sex": {
                        f"{target}.pearson_r": gain_in_r(judged, beside, target, how)
                        for target in ("bmd", "tbs")
                    }
                },
                "counts": frame.counts.model_copy(update={"judged_patients": {"test": test}}),
                "test_set_sha256": f"{seed:064x}",
            }
        )

    return measure
