"""One series of a mixed study, by the rules of params.yaml: total, and the same whatever the order and the names."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.ingest_dicom.vendor import kernel_class
from components.validate_dicom.choice_params import SeriesChoiceParams
from components.validate_dicom.params import ValidateParams
from components.validate_dicom.series_choice import (
    KEPT,
    LEFT,
    NOT_ASKED,
    ChoiceRow,
    choice_row,
    choose,
    main_series,
)
from models.errors import ParameterError
from models.params import parse_section
from tests.components.validate_dicom.sound_intake import SOUND_SERIES

NAN = math.nan


def row(days_apart: float = 9.0, levels_named: bool = True, **changes: Any) -> ChoiceRow:
    facts = {**SOUND_SERIES, **changes}
    facts["kernel_class"] = kernel_class(facts["vendor"], facts["kernel"])
    return choice_row(facts, days_apart=days_apart, days_max=90, levels_named=levels_named)


MIXED = [
    row(series="lung", kernel="LUNG", slice_thickness_mm=1.25),
    row(series="bone", kernel="BONE", slice_thickness_mm=0.625),
    row(series="thick soft", slice_thickness_mm=5.0),
    row(series="thin soft", slice_thickness_mm=1.25),
    row(series="very thick", slice_thickness_mm=10.0),
    row(series="old thin soft", slice_thickness_mm=1.0, days_apart=400.0),
    row(series="no kernel", kernel="", slice_thickness_mm=1.0),
]


def test_a_mixed_study_goes_rule_by_rule(params: ValidateParams) -> None:
    choice = choose(MIXED, params.series_choice)
    assert choice.taken == "thin soft"
    assert set(choice.excluded) == {"lung", "very thick"}
    assert "slice_thickness_mm 10 mm; accepted: at most 6 mm" in choice.excluded["very thick"]
    assert "lung" in choice.excluded["lung"]
    decided = {name: found.split("'")[1] for name, found in choice.passed_over.items()}
    assert decided == {
        "old thin soft": "exam in time", "bone": "kernel", "no kernel": "kernel", "thick soft": "thin slices",
    }  # fmt: skip
    assert choice.passed_over["thick soft"] == "rule 'thin slices': slice_thickness_mm 5 mm, against 1.25 mm"


def test_the_only_series_is_taken_unless_it_is_excluded(params: ValidateParams) -> None:
    assert choose(MIXED[1:2], params.series_choice).taken == "bone"
    assert choose(MIXED[:1], params.series_choice).taken is None
    assert choose([], params.series_choice).taken is None


def test_a_missing_value_excludes_nothing_and_ranks_last(params: ValidateParams) -> None:
    unknown, thick = (
        row(series="unknown", slice_thickness_mm=NAN),
        row(series="thick", slice_thickness_mm=6.0),
    )
    choice = choose([unknown, thick], params.series_choice)
    assert choice.taken == "thick"
    assert choice.passed_over == {"unknown": "rule 'thin slices': slice_thickness_mm missing, against 6 mm"}
    assert choose([unknown], params.series_choice).taken == "unknown"


FACTS = st.fixed_dictionaries(
    {
        "kernel": st.sampled_from(["STANDARD", "BONE", "LUNG", "", "ODD"]),
        "vendor": st.sampled_from(["GE", "Siemens", ""]),
        "slice_thickness_mm": st.sampled_from([0.6, 1.0, 2.5, 5.0, 6.0, 6.1, NAN]),
        "slice_spacing_mm": st.sampled_from([1.0, 2.5, NAN]),
        "pixel_spacing_mm": st.sampled_from([0.7, 0.8]),
        "slice_count": st.integers(1, 3),
        "days_apart": st.sampled_from([0.0, 90.0, 91.0, NAN]),
        "levels_named": st.booleans(),
    }
)


@given(st.lists(FACTS, max_size=6), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_the_choice_is_total_and_depends_on_no_order(
    params: ValidateParams, facts: list[dict], random
) -> None:
    rows = [row(series=f"s{number}", **one) for number, one in enumerate(facts)]
    choice = choose(rows, params.series_choice)
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert choose(shuffled, params.series_choice) == choice
    names = {str(one["series"]) for one in rows}
    parts = [set(choice.excluded), set(choice.passed_over), {choice.taken} - {None}]
    assert sorted(name for part in parts for name in part) == sorted(names)
    assert (choice.taken is None) == (set(choice.excluded) == names)
    rules = len(params.series_choice.exclude) + len(params.series_choice.prefer) + 1
    for name in names:
        outcomes = [step.outcome for step in choice.steps if step.series == name]
        assert len(outcomes) == rules
        assert outcomes.count(LEFT) == (name != choice.taken)
        if LEFT in outcomes:
            assert set(outcomes[outcomes.index(LEFT) + 1 :]) <= {NOT_ASKED}
    if rows:
        assert main_series(shuffled, params.series_choice) == main_series(rows, params.series_choice)


@given(st.lists(FACTS, min_size=2, max_size=5))
@settings(max_examples=100, deadline=None)
def test_other_hashes_choose_a_series_of_the_same_facts(params: ValidateParams, facts: list[dict]) -> None:
    # UIDs are remapped at intake: only series that no rule can tell apart may change places
    first = choose([row(series=f"a{n}", **one) for n, one in enumerate(facts)], params.series_choice)
    second = choose([row(series=f"b{9 - n}", **one) for n, one in enumerate(facts)], params.series_choice)
    assert (first.taken is None) == (second.taken is None)
    if first.taken is None or second.taken is None:
        return
    one = row(series="x", **facts[int(first.taken[1:])])
    two = row(series="x", **facts[9 - int(second.taken[1:])])
    read = [rule.column for rule in params.series_choice.prefer]
    same = {column: str(one[column]) == str(two[column]) for column in read if column != "kernel_use"}
    known = [name for name in ("soft", "unknown", "bone") if name in (one["kernel_use"], two["kernel_use"])]
    assert all(same.values()), (one, two)
    assert len(known) == 1


def test_the_rules_can_be_turned_round(params: ValidateParams) -> None:
    rules = {
        "exclude": [],
        "prefer": [
            {"rule": "middle kVp", "column": "kvp", "nearest": 120, "unit": "kV"},
            {"rule": "validated", "column": "slice_thickness_mm", "within": [2.0, 3.0], "unit": "mm"},
            {"rule": "long", "column": "slice_count", "want": "highest", "unit": "slices"},
        ],
    }
    turned = parse_section("series_choice", rules, SeriesChoiceParams)
    rows = [
        row(series="a", kvp=140.0),
        row(series="b", slice_thickness_mm=1.0),
        row(series="c", slice_count=70),
        row(series="d", kernel="LUNG"),
    ]
    choice = choose(rows, turned)
    assert choice.taken == "d"
    assert [choice.passed_over[name].split("'")[1] for name in "abc"] == ["middle kVp", "validated", "long"]
    kept = [step.rule for step in choice.steps if step.series == "d" and step.outcome == KEPT]
    assert kept == ["middle kVp", "validated", "long"]  # alone at the tie: not asked


EXCLUSION = {"rule": "thick", "column": "slice_thickness_mm", "above": 6.0, "unit": "mm", "because": "x"}
PREFERENCE = {"rule": "thin", "column": "slice_thickness_mm", "want": "lowest", "unit": "mm"}


@pytest.mark.parametrize(
    ("exclude", "prefer", "words"),
    [
        ({"column": "thickness"}, {}, "column 'thickness' is not known; accepted: exam_in_time"),
        ({"unit": "cm"}, {}, "column slice_thickness_mm needs unit: mm, found 'cm'"),
        ({}, {"unit": ""}, "column slice_thickness_mm needs unit: mm"),
        ({"below": 1.0}, {}, "exactly one of one_of, above, below; found above, below"),
        ({"above": None}, {}, "exactly one of one_of, above, below; found none"),
        ({}, {"want": "thinnest"}, "'lowest' or 'highest'"),
        (
            {},
            {"column": "kernel_use", "unit": ""},
            "want does not fit column kernel_use, which holds no number",
        ),
        ({}, {"want": None, "first": ["soft"]}, "first does not fit column slice_thickness_mm"),
        ({}, {"want": None, "within": [3.0, 1.0]}, "within: 3 must be below 1"),
        ({"above": True}, {}, "a number is accepted, not true or false"),
        ({"because": ""}, {}, "because"),
        ({"wrong": 1}, {}, "unknown key"),
        ({"rule": "thin"}, {}, "rule thin stands twice"),
    ],
)
def test_bad_rules_give_one_clear_line(
    exclude: dict, prefer: dict, words: str, params: ValidateParams
) -> None:
    choice = {"exclude": [{**EXCLUSION, **exclude}], "prefer": [{**PREFERENCE, **prefer}]}
    with pytest.raises(ParameterError) as caught:
        parse_section("validate", {**params.model_dump(), "series_choice": choice}, ValidateParams)
    message = str(caught.value)
    assert words in message
    assert "validate.series_choice" in message
    assert "\n" not in message


def test_no_preference_at_all_is_refused(params: ValidateParams) -> None:
    choice = {"exclude": [], "prefer": []}
    with pytest.raises(ParameterError, match=r"series_choice\.prefer"):
        parse_section("validate", {**params.model_dump(), "series_choice": choice}, ValidateParams)
