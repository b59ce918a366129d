"""What learnt nothing is refused under every policy; how often it would pass by chance is measured."""

from __future__ import annotations

import pytest

from components.gate_promotion.decide import decide
from components.gate_promotion.policy import GateParams
from tests import simulated_predictions as simulated

SEEDS = range(100, 120)
# 28 patients are the demo's; 120 give the production policy something to judge.
SIZES = {"demo": 28, "production": 120}


@pytest.mark.parametrize("policy", sorted(SIZES))
@pytest.mark.parametrize("model", ["constant", "shuffled", "age_and_sex"])
def test_what_learnt_nothing_never_passes(judge, gate_params: GateParams, policy: str, model: str) -> None:
    rules = gate_params.policy(policy)
    passed = [
        seed
        for seed in (SEEDS if model != "constant" else SEEDS[:3])
        if decide(judge(getattr(simulated, model), seed, SIZES[policy]), None, rules, name=policy).promoted
    ]
    assert passed == []


def test_on_many_patients_age_and_sex_still_do_not_pass(judge, gate_params: GateParams) -> None:
    """More data must not wear the gate down: r's own bound rises, the gain stays nil."""
    report = judge(simulated.age_and_sex, 5, 600)
    for policy in SIZES:
        assert not decide(report, None, gate_params.policy(policy)).promoted


def test_a_decent_model_usually_passes_the_demo_policy(judge, gate_params: GateParams) -> None:
    """r 0.90 and 0.60 in the population, 28 patients: seen 9 times in 10; at least 7 of 10 are asked."""
    rules = gate_params.policy("demo")
    passed = sum(
        decide(judge(simulated.of_quality(0.90, 0.60), seed), None, rules).promoted for seed in SEEDS
    )
    assert passed >= 0.7 * len(SEEDS)


def test_a_good_model_on_enough_patients_passes_production(judge, gate_params: GateParams) -> None:
    rules = gate_params.policy("production")
    passed = [
        decide(judge(simulated.of_quality(0.93, 0.80), seed, 300), None, rules).promoted
        for seed in SEEDS[:10]
    ]
    assert sum(passed) >= 9
    # The paper's own figures, on as few patients as the paper had, would not have been promoted.
    assert not decide(judge(simulated.of_quality(0.81, 0.54), 3, 52), None, rules).promoted
