"""A policy cannot forget what the gate is for."""

from __future__ import annotations

from typing import Any

import pytest

from components.gate_promotion.policy import GateParams
from models.errors import ParameterError
from models.params import load_section, parse_section
from tests.components.gate_promotion.conftest import PARAMS_FILE


def _changed(gate_params: GateParams, **changes: Any) -> dict[str, Any]:
    values = gate_params.model_dump()
    values["policies"]["demo"] |= changes
    return values


def test_production_asks_what_the_issue_says(gate_params: GateParams) -> None:
    rules = gate_params.policy("production").rules
    assert {key: rule.above for key, rule in rules.items()} == {
        "bmd.pearson_r": 0.70,
        "tbs.pearson_r": 0.30,
        "osteopenia.auc": 0.70,
        "osteoporosis.auc": 0.70,
        "impaired_tbs.auc": 0.70,
        "flag.sensitivity": 0.70,
        "flag.specificity": 0.70,
    }
    production = gate_params.policy("production")
    assert set(production.required) == set(production.keys)
    assert production.confidence == 0.95
    assert production.gains["hu_age_sex_bmi"]["bmd.pearson_r"].above == 0.0
    assert production.worst_vendor is not None
    assert set(production.worst_vendor.bias_within) == {"bmd.bias_g_cm2", "tbs.bias"}
    assert production.worst_vendor.r_margin == {"bmd.pearson_r": 0.10}
    assert set(production.coverage) == {"bmd", "tbs"}
    assert set(production.champion) == {
        "bmd.pearson_r", "tbs.pearson_r", "osteopenia.auc", "osteoporosis.auc", "impaired_tbs.auc",
    }  # fmt: skip


def test_a_person_approves_in_a_hospital_and_nobody_in_the_demo() -> None:
    assert load_section(PARAMS_FILE, "gate", GateParams, "hospital").approval == "person"
    assert load_section(PARAMS_FILE, "gate", GateParams, "hospital").default_policy == "production"
    assert load_section(PARAMS_FILE, "gate", GateParams).approval == "automatic"


def test_an_unknown_policy_is_refused_with_the_known_ones(gate_params: GateParams) -> None:
    with pytest.raises(ParameterError, match=r"'lenient'.*accepted: demo, production"):
        gate_params.policy("lenient")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rules": {}}, "rules lack"),
        ({"required": []}, r"gain\.age_sex\.bmd\.pearson_r"),
        ({"required": ["bmd.pearson_r", "gain.age_sex.bmd.pearson_r"]}, r"champion\.bmd\.pearson_r"),
        ({"required": ["bmd.pearson_r", "bmd.r"]}, r"names no rule: bmd\.r"),
        ({"gains": {"hu": {"bmd.pearson_r": {"above": 0.0}}}}, "age_sex"),
        ({"gains": {"age_sex": {"bmd.pearson_r": {"above": -0.5}}}}, "greater than or equal to 0"),
        ({"confidence": 0.8}, "confidence"),
        ({"coverage": {"bmd": {"confidence": 1.0}}}, "confidence"),
        ({"worst_vendor": {"minimum_patients": 20, "bias_within": {"tbs.bias": 0.0}}}, "tbs.bias: above 0"),
        ({"champion": {"bmd.pearson_r": {"margin": 0.0}}}, "greater than 0"),
        ({"minimum_test_patients": 1}, "minimum_test_patients"),
        ({"champion": {"bmd.pearson_r": {"margin": 0.9}}}, "margin"),
        ({"bmd": 0.4}, "unknown key"),
    ],
)
def test_policies_that_would_let_anything_through_are_refused(
    gate_params: GateParams, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ParameterError, match=words):
        parse_section("gate", _changed(gate_params, **changes), GateParams)
