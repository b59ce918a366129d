"""The split is sticky, has the stated shares, and warns of a vendor that a split lacks."""

from __future__ import annotations

from collections import Counter

import pytest

from components.prepare_vertebrae.params import PrepareParams, SplitFractions
from components.prepare_vertebrae.split import absent_vendors, assign_split
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
        parse_section("prepare.split", values, SplitFractions)
