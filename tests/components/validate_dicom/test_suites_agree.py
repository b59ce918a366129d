"""The suite of Great Expectations and the light check of one study give the same verdict on every row."""

from __future__ import annotations

import dataclasses
import math
import random
from typing import Any

import pandas as pd
import pytest

from components.validate_dicom.check_series import check_series
from components.validate_dicom.checks import OneOf
from components.validate_dicom.dxa_rules import dxa_batch_rules
from components.validate_dicom.params import ValidateParams
from components.validate_dicom.rules import Rule, Severity
from components.validate_dicom.series_frame import SERIES_COLUMNS, rule_frame
from components.validate_dicom.series_rules import series_batch_rules, series_rules
from components.validate_dicom.validation import (
    BatchRefusedError,
    ExpectationBrokenError,
    Validation,
)
from models.refusal import Code
from tests.components.validate_dicom.sound_intake import series_row

NAN = math.nan
VALUES: dict[str, list[Any]] = {
    "vendor": ["GE", "Siemens", "", "ACME", "HITACHI"],
    "modality": ["CT", "MR", ""],
    "kvp": [120.0, 79.9, 140.0, 150.0, NAN],
    "slice_spacing_mm": [2.5, 5.5, 5.6, NAN],
    "declared_spacing_mm": [2.5, 5.5, 2.61, NAN],
    "pixel_spacing_mm": [0.8, 0.2, 1.2, 3.5, NAN],
    "slice_count": [80, 11, 12],
    "gap_count": [0, 1],
    "duplicate_count": [0, 2],
    "tilt_deg": [0.0, 1.0, 15.0, NAN],
    "orientation": ["HFS axial", ""],
    "orientation_consistent": [True, False],
    "contrast_tag": [False, True],
    "contrast_words": ["", "KM"],
    "contrast_image_hu": [40.0, 90.0, 140.0, NAN],
    "image_class": ["original", "original", "localizer", "secondary_capture", "derived", "monoenergetic"],
    "has_rescale": [True, False],
    "lossy": [False, True],
    "duplicate_uid_count": [0, 1],
    "mixed_count": [0, 1],
    "truncated_count": [0, 1],
    "unreadable_count": [0, 1],
    "read_codes": ["", "SLICE_MISSING TOO_FEW_SLICES", "RESCALE_MISSING", "OTHER"],
    "age_years": [60.0, 29.9, NAN],
    "hu_soft_tissue_peak": [45.0, 500.0, NAN],
    "hu_fat_peak": [-100.0, -200.0, 0.0, NAN],
    "hu_air_peak": [-1000.0, -950.0, 24.0, NAN],
    "has_levels": [True, False],
    "series_uid_missing": [False, True],
}


def some_rows(count: int) -> pd.DataFrame:
    draw = random.Random(7)
    rows = []
    for number in range(count):
        broken = draw.sample(sorted(VALUES), k=draw.randint(0, 6))
        changes = {column: draw.choice(VALUES[column]) for column in broken}
        rows.append(dataclasses.asdict(series_row(series=f"s{number}", **changes)))
    return pd.DataFrame(rows)


def test_both_readings_of_the_rules_agree_on_many_rows(params: ValidateParams) -> None:
    rows = some_rows(100)
    findings = Validation().check(
        "series", rule_frame(rows), "series", series_batch_rules(params, SERIES_COLUMNS), series_rules(params)
    )
    by_suite = {
        (finding.key, finding.code, finding.found)
        for finding in findings.rows
        if finding.severity is Severity.CRITICAL
    }
    by_light_check = {
        (str(rows["series"].iloc[place]), refusal.code, refusal.found)
        for place in range(len(rows))
        for refusal in check_series(rows.iloc[[place]], params).refusals
    }
    assert by_suite == by_light_check
    assert len(by_suite) > 100


def test_an_empty_table_fails(params: ValidateParams) -> None:
    empty = rule_frame(some_rows(1)).iloc[:0]
    with pytest.raises(BatchRefusedError, match="found 0 rows; at least 1"):
        Validation().check(
            "series", empty, "series", series_batch_rules(params, SERIES_COLUMNS), series_rules(params)
        )


def test_a_table_without_a_column_fails_and_names_it(params: ValidateParams) -> None:
    lacking = rule_frame(some_rows(3)).drop(columns="kvp")
    with pytest.raises(BatchRefusedError, match="columns missing: kvp"):
        Validation().check(
            "series", lacking, "series", series_batch_rules(params, SERIES_COLUMNS), series_rules(params)
        )


def test_too_few_rows_of_a_vendor_is_a_warning(params: ValidateParams) -> None:
    findings = Validation().check(
        "series",
        rule_frame(some_rows(1)),
        "series",
        series_batch_rules(params, SERIES_COLUMNS),
        series_rules(params),
    )
    assert any("Philips" in line and "Found 0" in line for line in findings.batch_warnings)


def test_an_expectation_that_cannot_be_evaluated_never_passes_for_met() -> None:
    frame = pd.DataFrame({"series": ["a"]})
    rule = Rule(Code.NOT_CT, OneOf("no_such_column", (1,)), "none")
    with pytest.raises(ExpectationBrokenError, match="NOT_CT"):
        Validation().check("t", frame, "series", dxa_batch_rules(), (rule,))
