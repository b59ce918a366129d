"""The split is sticky by shares, exact by numbers, and warns of or refuses a vendor that a split lacks."""

from __future__ import annotations

from collections import Counter

import pytest

from components.prepare_vertebrae.params import PrepareParams, SplitParams
from components.prepare_vertebrae.split import (
    SplitError,
    absent_vendors,
    assign_split,
    assign_splits,
    refuse_absent_vendors,
)
from models.errors import ParameterError
from models.params import parse_section

KEY = b"a key of sixteen bytes or more"


def test_added_patients_move_nobody(params: PrepareParams) -> None:
    first = {f"p{n}": assign_split(f"p{n}", params.split, KEY) for n in range(60)}
    later = {f"p{n}": assign_split(f"p{n}", params.split, KEY) for n in reversed(range(600))}
    assert {patient: later[patient] for patient in first} == first


def test_shares_are_those_of_params(params: PrepareParams) -> None:
    counts = Counter(assign_split(f"patient {n}", params.split, KEY) for n in range(8000))
    for name, share in zip(
        ("train", "validation", "calibration", "test"), (0.50, 0.10, 0.15, 0.25), strict=True
    ):
        # binomial SD at 8,000 is below 0.0056
        assert counts[name] / 8000 == pytest.approx(share, abs=0.02)


def test_key_and_salt_draw_anew(params: PrepareParams) -> None:
    other = params.split.model_copy(update={"salt": "another"})
    patients = [f"p{n}" for n in range(200)]
    base = [assign_split(patient, params.split, KEY) for patient in patients]
    assert base != [assign_split(patient, other, KEY) for patient in patients]
    assert base != [assign_split(patient, params.split, KEY + b"x") for patient in patients]


def test_a_vendor_that_a_split_lacks_is_named() -> None:
    pairs = [("GE", split) for split in ("train", "validation", "calibration", "test")]
    assert absent_vendors([*pairs, ("Canon", "train"), ("Canon", "test")]) == [
        ("Canon", "validation"),
        ("Canon", "calibration"),
    ]


def test_fractions_must_sum_to_one() -> None:
    values = {"train": 0.5, "validation": 0.1, "calibration": 0.2, "test": 0.25, "salt": "x"}
    with pytest.raises(ParameterError, match=r"sum to 1; they sum to 1\.05"):
        parse_section("prepare.split", values, SplitParams)


def exact(**changes: object) -> SplitParams:
    values = {"train": 28, "validation": 4, "calibration": 4, "test": 5, "salt": "x", **changes}
    return parse_section("prepare.split", values, SplitParams)


def cohort_of(patients: int) -> tuple[list[str], list[str]]:
    """Patients of four vendors, the last of which has few."""
    names = [f"p{n}" for n in range(patients)]
    return names, [("GE", "Siemens", "Philips", "Canon")[n % 4 if n % 8 else 0] for n in range(patients)]


def test_numbers_are_exact_and_every_vendor_is_in_proportion() -> None:
    names, vendors = cohort_of(402)
    params = exact(train=280, validation=35, calibration=35, test=52)
    splits = assign_splits(names, vendors, params, KEY)
    assert Counter(splits) == {"train": 280, "validation": 35, "calibration": 35, "test": 52}
    of_vendor = Counter(vendors)
    for (vendor, split), count in Counter(zip(vendors, splits, strict=True)).items():
        share = getattr(params, split) / 402
        assert count == pytest.approx(of_vendor[vendor] * share, abs=1.5), (vendor, split)
    assert absent_vendors(zip(vendors, splits, strict=True)) == []


def test_numbers_do_not_depend_on_the_order_of_the_patients() -> None:
    names, vendors = cohort_of(41)
    forwards = dict(zip(names, assign_splits(names, vendors, exact(), KEY), strict=True))
    backwards = assign_splits(names[::-1], vendors[::-1], exact(), KEY)
    assert dict(zip(names[::-1], backwards, strict=True)) == forwards
    assert assign_splits(names, vendors, exact(), KEY + b"x") != list(forwards.values())


def test_a_cohort_may_be_of_one_split_only() -> None:
    names, vendors = cohort_of(12)
    params = exact(train=0, validation=0, calibration=12, test=0)
    assert set(assign_splits(names, vendors, params, KEY)) == {"calibration"}
    assert absent_vendors(zip(vendors, ["calibration"] * 12, strict=True), params.used) == []


def test_numbers_that_do_not_add_up_are_refused_with_both_totals() -> None:
    names, vendors = cohort_of(40)
    with pytest.raises(SplitError, match=r"add up to 41 patients \(train 28, .* there are 40"):
        assign_splits(names, vendors, exact(), KEY)


def test_a_patient_of_two_series_is_refused_by_exact_numbers() -> None:
    names, vendors = cohort_of(40)
    with pytest.raises(SplitError, match="twice"):
        assign_splits([*names, "p0"], [*vendors, "GE"], exact(), KEY)


@pytest.mark.parametrize("wrong", [{"train": 0.5}, {"train": 28.5}, {"test": -1}])
def test_shares_and_numbers_are_not_mixed(wrong: dict[str, object]) -> None:
    with pytest.raises(ParameterError, match=r"prepare\.split"):
        exact(**wrong)


def test_a_vendor_that_validation_lacks_is_refused_where_the_parameters_say_so() -> None:
    absent = [("Canon", "validation")]
    refuse_absent_vendors(absent, exact(absent_vendor="warn"))
    with pytest.raises(SplitError, match="vendor Canon in split validation"):
        refuse_absent_vendors(absent, exact(absent_vendor="refuse"))
