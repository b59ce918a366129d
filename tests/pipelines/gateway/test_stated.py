"""Stated values complete a header and never override it."""

from __future__ import annotations

import math

import pytest

from models.errors import ParameterError
from models.refusal import Code
from pipelines.gateway.stated import Stated, reconcile

EMPTY = {"age_years": math.nan, "sex": "", "kvp": math.nan}
FULL = {"age_years": 67.0, "sex": "F", "kvp": 120.0}


def test_what_the_header_lacks_is_filled_in_but_for_the_tube_voltage() -> None:
    facts, refusals = reconcile(EMPTY, Stated(kvp=100, age_years=71, sex="M"))
    assert (facts["age_years"], facts["sex"]) == (71, "M")
    assert math.isnan(facts["kvp"])  # type: ignore[arg-type]
    assert refusals == []


def test_agreement_within_a_year_is_no_contradiction() -> None:
    facts, refusals = reconcile(FULL, Stated(kvp=120, age_years=67.9, sex="F"))
    assert facts == FULL
    assert refusals == []


@pytest.mark.parametrize("stated", [Stated(kvp=100), Stated(age_years=57), Stated(sex="M")])
def test_contradictions_are_refused(stated: Stated) -> None:
    facts, refusals = reconcile(FULL, stated)
    assert facts == FULL
    assert [refusal.code for refusal in refusals] == [Code.STATED_CONTRADICTS_HEADER]


@pytest.mark.parametrize(
    ("values", "named"), [({"kvp": 12.0}, "--kvp"), ({"age_years": -1.0}, "--age"), ({"sex": "X"}, "--sex")]
)
def test_impossible_values_are_wrong_usage(values: dict, named: str) -> None:
    with pytest.raises(ParameterError, match=named):
        Stated(**values)
