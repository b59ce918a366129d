"""What is answered, what is refused, and what is never said."""

from __future__ import annotations

import ast
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import models.decision as decision
from models.decision import (
    Cutoffs,
    DecisionRefusedError,
    DecisionRules,
    EstimateFaultError,
    Geometry,
    Reference,
    Versions,
    decide,
    outside_validated,
)
from models.refusal import Code

RULES = DecisionRules(
    schema_version=1,
    data_kind="simulated",
    cutoffs=Cutoffs(osteopenia_bmd_g_cm2=0.950, osteoporosis_bmd_g_cm2=0.800, impaired_tbs=1.300),
    flag_on=("osteopenia", "osteoporosis", "impaired_tbs"),
    bmd_half_width_g_cm2=0.100,
    tbs_half_width=0.080,
    interval_coverage=0.90,
    reference=Reference("Hologic female L1-L4", 1.047, 0.110, -1.0, -2.5, 1.31),
    geometry=Geometry(96, 64.0, 3, 2.0, 6.0),
    versions=Versions(data="d", code="c", params="p", model="m"),
    vendors=("Canon", "GE"),
    kvp_minimum=80.0,
    kvp_maximum=140.0,
)
DENSE, GOOD = [1.05, 1.10, 1.15, 1.10], [1.40, 1.42, 1.38, 1.40]  # means 1.10 and 1.40


def test_dense_bone_of_good_structure_is_not_flagged() -> None:
    answer = decide(DENSE, GOOD, 66, "F", RULES)
    assert (answer.answer, answer.flag) == ("no flag", False)
    assert (answer.bmd_low_g_cm2, answer.bmd_g_cm2, answer.bmd_high_g_cm2) == pytest.approx((1.0, 1.1, 1.2))
    assert (answer.tbs_low, answer.tbs_high) == pytest.approx((1.32, 1.48))
    assert answer.t_score == pytest.approx((1.10 - 1.047) / 0.110)
    assert "estimated T-score 0.5" in answer.score_text
    assert "Hologic female L1-L4" in answer.score_text


@pytest.mark.parametrize("data_kind", ["simulated", "site"])
def test_every_answer_carries_the_notices_and_no_who_class(data_kind: str) -> None:
    for bmd in (DENSE, [0.7, 0.7]):
        answer = decide(bmd, [1.4] * len(bmd), 66, "F", replace(RULES, data_kind=data_kind))
        for notice in ("lumbar spine only", "research use only", "does not rule out low bone density"):
            assert notice in answer.notices
        assert any("simulated phantoms" in notice for notice in answer.notices) == (data_kind == "simulated")
        words = " ".join([answer.score_text, *answer.reasons, *answer.notices]).lower()
        assert not {"osteoporosis", "osteopenia", "normal", "diagnosis"} & set(words.split())


def test_the_frozen_cutoff_flags_at_itself() -> None:
    rules = replace(RULES, bmd_half_width_g_cm2=0.01)
    assert decide([0.95, 0.95], [1.4, 1.4], 66, "F", rules).flag
    assert not decide([0.951, 0.951], [1.4, 1.4], 66, "F", rules).flag


def test_an_interval_that_reaches_the_osteoporosis_cut_flags_whatever_the_cutoffs() -> None:
    rules = replace(RULES, cutoffs=Cutoffs(0.5, 0.5, 0.5), flag_on=("osteoporosis",))
    # The cut is 1.047 - 2.5 x 0.110 = 0.772; half-width 0.100.
    flagged = decide([0.871, 0.871], [1.4, 1.4], 66, "F", rules)
    assert flagged.flag
    assert "0.771 to 0.971" in flagged.reasons[0]
    assert "0.772" in flagged.reasons[0]
    assert not decide([0.873, 0.873], [1.4, 1.4], 66, "F", rules).flag


def test_poor_structure_alone_flags_only_where_the_rules_say_so() -> None:
    assert decide(DENSE, [1.2] * 4, 66, "F", RULES).flag
    assert not decide(DENSE, [1.2] * 4, 66, "F", replace(RULES, flag_on=("osteopenia",))).flag


def test_the_flag_does_not_come_from_the_t_score() -> None:
    # T = (0.94 - 1.047) / 0.110 = -0.97: above -1, and flagged, because the frozen cut-off is 0.950.
    answer = decide([0.94, 0.94], [1.4, 1.4], 66, "F", replace(RULES, bmd_half_width_g_cm2=0.01))
    assert answer.t_score is not None
    assert answer.t_score > -1
    assert answer.flag


def test_the_flag_is_the_same_with_and_without_age_and_sex() -> None:
    for bmd in (0.7, 0.9, 1.1):
        flags = {
            decide([bmd, bmd], GOOD[:2], *who, RULES).flag for who in ((66, "F"), (None, None), (35, "M"))
        }
        assert len(flags) == 1


@pytest.mark.parametrize(
    ("age", "sex", "lacking"),
    [
        (None, "F", "age not known"),
        (float("nan"), "F", "age not known"),
        (66, None, "sex not known"),
        (66, "O", "sex not known"),
        (66, "", "sex not known"),
        (None, None, "age and sex not known"),
    ],
)
def test_no_t_score_without_sex_or_age(age: float | None, sex: str | None, lacking: str) -> None:
    answer = decide(DENSE, GOOD, age, sex, RULES)
    assert (answer.score_kind, answer.t_score) == ("none", None)
    assert lacking in answer.score_text


def test_z_score_wording_under_50() -> None:
    young = decide(DENSE, GOOD, 49.9, "M", RULES)
    assert (young.score_kind, young.t_score) == ("z", None)
    assert "Z-score" in young.score_text
    assert decide(DENSE, GOOD, 50, "M", RULES).score_kind == "t"


def test_refused_under_30() -> None:
    with pytest.raises(DecisionRefusedError, match="29") as caught:
        decide(DENSE, GOOD, 29, "F", RULES)
    assert Code(caught.value.code) is Code.AGE_UNDER_30
    assert decide(DENSE, GOOD, 30, "F", RULES).score_kind == "z"


@pytest.mark.parametrize("levels", [[], [1.0]])
def test_two_levels_are_needed(levels: list[float]) -> None:
    with pytest.raises(DecisionRefusedError) as caught:
        decide(levels, levels, 66, "F", RULES)
    assert Code(caught.value.code) is Code.LEVELS_TOO_FEW
    assert decide([1.0, 1.0], [1.4, 1.4], 66, "F", RULES).levels_used == 2


@pytest.mark.parametrize(
    ("bmd", "tbs", "age"),
    [
        ([1.0, float("nan")], [1.4, 1.4], 66),
        ([1.0, 1.0], [1.4, float("inf")], 66),
        ([1.0, -0.2], [1.4, 1.4], 66),
        ([1.0, 950.0], [1.4, 1.4], 66),  # mg for g
        ([1.0, 1.0], [1.4], 66),
        ([[1.0, 1.0]], [[1.4, 1.4]], 66),
        ([1.0, 1.0], [1.4, 1.4], 700),
        ([1.0, 1.0], [1.4, 1.4], -3),
    ],
)
def test_what_cannot_be_true_is_a_fault_and_no_answer(bmd: list, tbs: list, age: float) -> None:
    with pytest.raises(EstimateFaultError):
        decide(bmd, tbs, age, "F", RULES)


def test_outside_what_was_validated() -> None:
    assert outside_validated("GE", 120.0, RULES) == ()
    codes = [code for code, _ in outside_validated("Hitachi", 150.0, RULES)]
    assert [Code(code) for code in codes] == [Code.VENDOR_UNVALIDATED, Code.KVP_OUT_OF_RANGE]
    assert [code for code, _ in outside_validated("GE", None, RULES)] == ["KVP_MISSING"]


def test_the_module_travels_alone() -> None:
    """It is copied beside a served model: numpy and the standard library only."""
    tree = ast.parse(Path(decision.__file__).read_text())
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported - {"numpy"} <= sys.stdlib_module_names
