"""The model card: it says what it must, and no number on it is its own."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest

from components.gate_promotion.policy import GateParams
from models.bone_reference import ScalesParams
from models.crop_store import CropGeometry
from models.decision import Versions
from models.errors import ParameterError
from models.evaluation.answers import DataIdentity
from models.evaluation.report import Evaluation, evaluate
from models.evaluation.report_file import ModelIdentity
from models.evaluation.settings import EvaluateParams
from models.model_card.render import render_card
from models.model_card.training_facts import TrainingFacts
from models.params import load_section
from pipelines.policy_demands import acceptance
from tests import simulated_predictions as simulated

PARAMS_FILE = Path(__file__).resolve().parents[2] / "params.yaml"
SCALES = load_section(PARAMS_FILE, "scales", ScalesParams)
PARAMS = load_section(PARAMS_FILE, "evaluate", EvaluateParams).model_copy(update={"bootstrap_draws": 100})
GATE = load_section(PARAMS_FILE, "gate", GateParams)
NUMBER = re.compile(r"\d+(?:\.\d+)?")
TRAINING = TrainingFacts(
    "resnet50", 96, 64.0, 3, "v1", "simulated", "c0ffee", "a" * 64, 11, {"train": 60, "validation": 12}
)


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return evaluate(
        simulated.crops(1, simulated.of_quality(0.87, 0.55)),
        data=DataIdentity(
            "simulated",
            "v1",
            CropGeometry(pixels=96, size_mm=64.0, slices=3, slice_spacing_mm=2.0, centre_shift_mm=6.0),
        ),
        model=ModelIdentity(weights_sha256="a" * 64, version="aaaaaaaaaaaa"),
        versions=Versions("v1", "c", "p", "m"),
        scales=SCALES,
        params=PARAMS,
        test_looks=7,
    )


def _card(evaluation: Evaluation, policy: str | None = "production") -> str:
    demands = None if policy is None else acceptance(GATE, policy, evaluation.report)
    return render_card(evaluation.report, evaluation.rules, TRAINING, demands)


def _text(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL))


def test_it_says_what_a_model_card_must(evaluation: Evaluation) -> None:
    text = _text(_card(evaluation))
    for words in (
        "Measured on simulated phantoms - not clinical evidence",
        "Intended use",
        "Out of scope",
        "simulated phantoms",
        "Limits",
        "Description of modifications",
        "Modification protocol",
        "Impact assessment",
        "Marketing Submission Recommendations for a Predetermined Change Control Plan",
        "December 2024",
        "Ruling out low bone density: it does not",
        "looked at 7 times",
    ):
        assert words in text, words
    assert evaluation.report.patient["bmd.pearson_r"].words(2) in text.replace("\u00a0", " ")
    for group, found in evaluation.report.subgroups["sex"].items():
        assert f"{group} {found.n} " in text


def test_the_policy_stands_in_its_numbers(evaluation: Evaluation) -> None:
    policy = GATE.policy("production")
    text = _text(_card(evaluation))
    assert f"above {policy.rules['bmd.pearson_r'].above:.2f}" in text
    assert f"above -{policy.champion['bmd.pearson_r'].margin:.2f}" in text
    assert len(acceptance(GATE, "production", evaluation.report).demands) == len(policy.keys)
    with pytest.raises(ParameterError, match="strict"):
        acceptance(GATE, "strict", evaluation.report)


def test_no_number_is_its_own(evaluation: Evaluation) -> None:
    """Digits on the card come from the report, the rules, the model, the policy, or the template's fixed words."""
    template = resources.files("models.model_card").joinpath("model_card.html.j2").read_text(encoding="utf-8")
    fixed = set(NUMBER.findall(_text(re.sub(r"\{\{.*?\}\}|\{%.*?%\}", " ", template, flags=re.DOTALL)))) | {
        "100",
        "95",
    }
    ways: set[str] = set()
    sources = (
        evaluation.report.model_dump_json(),
        repr(evaluation.rules),
        repr(TRAINING),
        GATE.model_dump_json(),
    )
    for token in NUMBER.findall(" ".join(sources)):
        value = float(token)
        ways |= {token, token[:12], *(f"{value:.{digits}f}" for digits in range(4)), f"{value * 100:.0f}"}
    assert set(NUMBER.findall(_text(_card(evaluation)))) - ways - fixed == set()


def test_on_a_sites_own_patients_it_does_not_speak_of_phantoms_judged(evaluation: Evaluation) -> None:
    report = evaluation.report.model_copy(
        update={"data_kind": "site", "statement": "Measured on this site's own patients"}
    )
    text = _text(render_card(report, evaluation.rules, TRAINING))
    assert "The test patients are this site's own" in text
    assert "The model itself was trained on simulated phantoms." in text
    assert "The test patients are simulated phantoms" not in text
