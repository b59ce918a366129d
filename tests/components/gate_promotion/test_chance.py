"""What learnt nothing is refused under every policy; how often what is sound passes is measured."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from components.gate_promotion.decide import decide
from components.gate_promotion.policy import GateParams, GatePolicy
from tests import simulated_predictions as simulated

SEEDS = range(100, 120)
# 36 patients are the demo's; 120 give the production policy something to judge.
SIZES = {"demo": 36, "production": 120}
DECENT = simulated.of_quality(0.90, 0.60)


def retrained(
    people: pd.DataFrame, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """As good as `DECENT`, with errors of its own."""
    return DECENT(people, np.random.default_rng(rng.integers(1_000_000) + 77))


@pytest.mark.parametrize("model", ["constant", "shuffled", "age_and_sex"])
def test_what_learnt_nothing_does_not_pass(judge, demo: GatePolicy, model: str) -> None:
    for seed in SEEDS[:1]:
        assert not decide(judge(getattr(simulated, model), seed, SIZES["demo"]), None, demo).promoted


@pytest.mark.long
@pytest.mark.parametrize("policy", sorted(SIZES))
@pytest.mark.parametrize("model", ["constant", "shuffled", "age_and_sex"])
def test_what_learnt_nothing_never_passes_by_chance(
    judge, gate_params: GateParams, policy: str, model: str
) -> None:
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
        decision = decide(report, None, gate_params.policy(policy))
        assert "gain.age_sex.bmd.pearson_r" in {rule.key for rule in decision.rules if rule.blocks}


@pytest.mark.long
def test_a_decent_model_usually_passes_the_demo_policy(judge, demo: GatePolicy) -> None:
    """r 0.90 and 0.60 in the population, 36 patients."""
    passed = [seed for seed in SEEDS if decide(judge(DECENT, seed, SIZES["demo"]), None, demo).promoted]
    assert len(passed) >= 0.8 * len(SEEDS)


@pytest.mark.long
def test_an_equal_model_is_rarely_called_inferior_under_the_demo_policy(
    judge, beside, demo: GatePolicy
) -> None:
    """Champion and challenger of the same quality, errors of their own: the champion's rules alone."""
    failed = []
    for seed in SEEDS:
        champion = judge(DECENT, seed, SIZES["demo"], sha="a")
        decision = decide(beside(judge(retrained, seed, SIZES["demo"]), champion), champion, demo)
        if any(rule.blocks for rule in decision.rules if rule.key.startswith("champion.")):
            failed.append(seed)
    assert len(failed) <= 0.1 * len(SEEDS)


@pytest.mark.long
def test_a_good_model_on_enough_patients_passes_production(judge, production: GatePolicy) -> None:
    """BMD r 0.985 and TBS r 0.95, 400 test and 300 calibration patients; two exact 95 % bands are among the rules."""
    good = simulated.of_quality(0.985, 0.95)
    passed = [seed for seed in SEEDS[:8] if decide(judge(good, seed, 400, 300), None, production).promoted]
    assert len(passed) >= 6


def test_the_papers_own_figures_on_as_few_patients_do_not_pass_production(
    judge, production: GatePolicy
) -> None:
    decision = decide(judge(simulated.of_quality(0.81, 0.54), 3, 52), None, production)
    assert "minimum_test_patients" in {rule.key for rule in decision.rules if rule.blocks}
