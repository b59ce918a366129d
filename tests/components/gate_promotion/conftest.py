"""Reports of models of known quality, measured by the real evaluation on believable patients."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from components.gate_promotion.policy import GateParams, GatePolicy
from models.bone_reference import ScalesParams
from models.crop_store import CropGeometry
from models.decision import Versions
from models.evaluation.answers import DataIdentity
from models.evaluation.report import Evaluation, evaluate
from models.evaluation.report_file import EvaluationReport, ModelIdentity
from models.evaluation.settings import EvaluateParams
from models.evaluation.versus_champion import VersusChampion, versus_champion
from models.params import load_section
from tests import simulated_predictions as simulated

PARAMS_FILE = Path(__file__).resolve().parents[3] / "params.yaml"
GEOMETRY = CropGeometry(pixels=96, size_mm=64.0, slices=3, slice_spacing_mm=2.0, centre_shift_mm=6.0)
Judge = Callable[..., EvaluationReport]
Beside = Callable[[EvaluationReport, EvaluationReport], EvaluationReport]


@cache
def _settings() -> tuple[ScalesParams, EvaluateParams]:
    params = load_section(PARAMS_FILE, "evaluate", EvaluateParams)
    return load_section(PARAMS_FILE, "scales", ScalesParams), params.model_copy(
        update={"bootstrap_draws": 200}
    )


@cache
def evaluated(estimator: simulated.Estimator, seed: int, test: int, calibration: int, sha: str) -> Evaluation:
    """The real evaluation of a model's predictions."""
    scales, params = _settings()
    counts = simulated.SPLIT_COUNTS | {"test": test, "calibration": calibration}
    return evaluate(
        simulated.crops(seed, estimator, counts),
        data=DataIdentity("simulated", f"v{seed}", GEOMETRY),
        model=ModelIdentity(weights_sha256=sha * 64, version=sha),
        versions=Versions(f"v{seed}", "c", "p", "m"),
        scales=scales,
        params=params,
    )


@pytest.fixture(scope="session")
def gate_params() -> GateParams:
    return load_section(PARAMS_FILE, "gate", GateParams)


@pytest.fixture(scope="session")
def demo(gate_params: GateParams) -> GatePolicy:
    return gate_params.policy("demo")


@pytest.fixture(scope="session")
def production(gate_params: GateParams) -> GatePolicy:
    return gate_params.policy("production")


@pytest.fixture(scope="session")
def judge() -> Judge:
    """`judge(estimator, seed, test=28, calibration=28, sha="c")`: the whole report, by the real evaluation.

    The same seed and counts give the same patients, so that two models can be compared.
    """

    def measure(
        estimator: simulated.Estimator, seed: int, test: int = 28, calibration: int = 28, sha: str = "c"
    ) -> EvaluationReport:
        report = evaluated(estimator, seed, test, calibration, sha).report
        _OF_REPORT[id(report)] = (report, evaluated(estimator, seed, test, calibration, sha))
        return report

    return measure


_OF_REPORT: dict[int, tuple[EvaluationReport, Evaluation]] = {}


@pytest.fixture(scope="session")
def beside() -> Beside:
    """`beside(challenger, champion)`: the challenger's report, compared with the champion as the step does it."""
    scales, params = _settings()

    def compare(challenger: EvaluationReport, champion: EvaluationReport) -> EvaluationReport:
        ours, theirs = (
            _OF_REPORT[id(report)][1].tables.patients.query("split == 'test'")
            for report in (challenger, champion)
        )
        versus = VersusChampion(
            champion_sha256=champion.model.weights_sha256,
            same_model=champion.model == challenger.model,
            patients=len(ours),
            difference=versus_champion(ours, theirs, scales, params.resampling),
        )
        return challenger.model_copy(update={"versus_champion": versus})

    return compare
