"""A policy cannot forget what the gate is for."""

from __future__ import annotations

from typing import Any

import pytest

from components.gate_promotion.policy import GateParams
from models.errors import ParameterError
from models.params import parse_section


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
    }
    assert set(rules) <= set(gate_params.policy("production").required)


def test_an_unknown_policy_is_refused_with_the_known_ones(gate_params: GateParams) -> None:
    with pytest.raises(ParameterError, match=r"'lenient'.*accepted: demo, production"):
        gate_params.policy("lenient")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rules": {}}, "rules lack"),
        ({"required": []}, r"gain\.bmd\.pearson_r"),
        ({"required": ["bmd.pearson_r"]}, r"gain\.bmd\.pearson_r"),
        ({"required": ["bmd.pearson_r", "gain.bmd.pearson_r", "bmd.r"]}, r"names no rule: bmd\.r"),
        ({"gains": {"bmd.pearson_r": {"over": "hu", "above": 0.0}}}, "age_sex"),
        ({"gains": {"bmd.pearson_r": {"over": "age_sex", "above": -0.5}}}, "greater than or equal to 0"),
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
