"""Every code a series can be refused with, from the one value that deserves it."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pandas as pd
import pytest

from components.validate_dicom.check_series import SeriesFrameError, check_series, outside_validated
from components.validate_dicom.params import ValidateParams
from components.validate_dicom.rules import Severity
from components.validate_dicom.series_rules import series_rules
from models.refusal import Code
from tests.components.validate_dicom.sound_intake import SOUND_SERIES, series_row

NAN = math.nan

BROKEN: list[tuple[dict[str, Any], set[Code]]] = [
    ({"modality": "MR"}, {Code.MODALITY_CONFLICT}),
    ({"image_class": "localizer", "slice_count": 1, "kvp": NAN, "orientation": ""}, {Code.LOCALIZER}),
    (
        {"image_class": "secondary_capture", "has_rescale": False, "has_levels": False},
        {Code.SECONDARY_CAPTURE},
    ),
    ({"image_class": "derived"}, {Code.DERIVED_IMAGE}),
    ({"image_class": "reformat"}, {Code.DERIVED_IMAGE}),
    ({"image_class": "virtual_non_contrast"}, {Code.VIRTUAL_NON_CONTRAST}),
    ({"image_class": "monoenergetic"}, {Code.MONOENERGETIC}),
    ({"image_class": "tin_filtered"}, {Code.TIN_FILTERED}),
    ({"image_class": "photon_counting"}, {Code.PHOTON_COUNTING}),
    ({"image_class": "phantom"}, {Code.PHANTOM}),
    ({"hu_p01": 0.0, "hu_p99": 255.0}, {Code.SECONDARY_CAPTURE}),  # a window of 8 bits, stored as 16
    ({"kvp": NAN}, {Code.KVP_MISSING}),
    ({"kvp": 79.0}, {Code.KVP_OUT_OF_RANGE}),
    ({"kvp": 150.0}, {Code.KVP_OUT_OF_RANGE}),
    ({"vendor": ""}, {Code.VENDOR_UNKNOWN}),
    ({"vendor": "HITACHI MEDICAL CORPORATION"}, {Code.VENDOR_UNVALIDATED}),
    ({"vendor": "ACME"}, {Code.VENDOR_UNKNOWN, Code.VENDOR_UNVALIDATED}),
    ({"duplicate_uid_count": 2}, {Code.DUPLICATE_UID}),
    ({"mixed_count": 1}, {Code.MIXED_SERIES}),
    ({"series_uid_missing": True}, {Code.SERIES_UID_MISSING}),
    ({"has_rescale": False}, {Code.RESCALE_MISSING}),
    ({"lossy": True}, {Code.LOSSY_COMPRESSION}),
    ({"contrast_tag": True}, {Code.CONTRAST_BY_TAG}),
    ({"contrast_words": "PORTAL VENOUS"}, {Code.CONTRAST_BY_WORDS}),
    ({"contrast_image_hu": 150.0}, {Code.CONTRAST_BY_IMAGE}),
    ({"orientation": ""}, {Code.ORIENTATION_MISSING}),
    ({"orientation_consistent": False}, {Code.GEOMETRY_INCONSISTENT}),
    ({"gap_count": 1}, {Code.SLICE_MISSING}),
    ({"duplicate_count": 1}, {Code.SLICE_DUPLICATED}),
    ({"declared_spacing_mm": 3.0}, {Code.SPACING_WRONG}),
    ({"slice_spacing_mm": 6.0, "declared_spacing_mm": 6.0}, {Code.SPACING_TOO_LARGE}),
    ({"pixel_spacing_mm": 0.2}, {Code.PIXEL_SPACING_OUT_OF_RANGE}),
    ({"pixel_spacing_mm": 4.0}, {Code.PIXEL_SPACING_OUT_OF_RANGE}),
    ({"tilt_deg": 12.0}, {Code.GANTRY_TILT}),
    ({"slice_count": 11}, {Code.TOO_FEW_SLICES}),
    ({"slice_count": 20}, {Code.TOO_FEW_SLICES}),  # 19 steps of 2.5 mm are 47.5 mm
    ({"hu_soft_tissue_peak": 900.0}, {Code.HU_IMPLAUSIBLE}),
    ({"hu_soft_tissue_peak": 145.0, "hu_fat_peak": 0.0}, {Code.HU_IMPLAUSIBLE}),
    ({"hu_fat_peak": -200.0}, {Code.HU_IMPLAUSIBLE}),
    ({"hu_air_peak": 24.0}, {Code.HU_IMPLAUSIBLE}),
    ({"truncated_count": 1, "read_codes": "FILE_TRUNCATED"}, {Code.FILE_TRUNCATED}),
    ({"unreadable_count": 3}, {Code.PIXELS_UNREADABLE}),
    ({"read_codes": "SIZE_IMPLAUSIBLE"}, {Code.SIZE_IMPLAUSIBLE}),
    ({"read_codes": "SOMETHING_NEW"}, {Code.PIXELS_UNREADABLE}),
    ({"has_levels": False}, {Code.LEVELS_MISSING}),
    ({"age_years": 29.0}, {Code.AGE_UNDER_30}),
]


def frame(**changes: Any) -> pd.DataFrame:
    return pd.DataFrame([dataclasses.asdict(series_row(**changes))])


@pytest.mark.parametrize(("changes", "codes"), BROKEN)
def test_each_broken_value_gets_its_code_and_no_other(
    changes: dict[str, Any], codes: set[Code], params: ValidateParams
) -> None:
    refusals, not_checked = check_series(frame(**changes), params)
    assert {refusal.code for refusal in refusals} == codes
    assert not_checked == []


def test_every_rule_is_broken_by_some_row_above(params: ValidateParams) -> None:
    tested = set().union(*(codes for _, codes in BROKEN)) | {Code.PATIENT_ID_MISSING, Code.PATIENT_DOUBLED}
    tested |= {Code.KERNEL_UNVALIDATED, Code.THICKNESS_UNVALIDATED}  # warnings, below
    assert {rule.code for rule in series_rules(params)} == tested


def test_a_sound_series_passes(params: ValidateParams) -> None:
    assert check_series(frame(), params) == ([], [])
    assert outside_validated(frame(), params) == []


@pytest.mark.parametrize(
    "changes",
    [{"kvp": 80.0}, {"kvp": 140.0}, {"slice_spacing_mm": 5.5, "declared_spacing_mm": 5.5}, {"age_years": 30.0},
     {"declared_spacing_mm": NAN}, {"age_years": NAN}, {"patient": ""}],
)  # fmt: skip
def test_limits_are_inside_and_what_dicom_may_leave_out_is_left_out(
    changes: dict[str, Any], params: ValidateParams
) -> None:
    assert check_series(frame(**changes), params) == ([], [])


def test_an_aorta_not_found_is_said_to_be_unchecked(params: ValidateParams) -> None:
    assert check_series(frame(contrast_image_hu=NAN), params) == ([], [Code.CONTRAST_BY_IMAGE])


def test_coarse_pixels_are_answered_outside_validated_input(params: ValidateParams) -> None:
    coarse = frame(pixel_spacing_mm=3.0)
    assert check_series(coarse, params).refusals == []
    assert [finding.code for finding in outside_validated(coarse, params)] == [
        Code.PIXEL_SPACING_OUT_OF_RANGE
    ]


def test_what_a_nifti_cannot_declare_is_not_checked_and_what_it_shows_is(params: ValidateParams) -> None:
    shown = (
        "slice_spacing_mm",
        "pixel_spacing_mm",
        "slice_count",
        "tilt_deg",
        "hu_soft_tissue_peak",
        "has_levels",
    )
    values = {name: SOUND_SERIES[name] if name in shown else None for name in SOUND_SERIES}
    refusals, not_checked = check_series(pd.DataFrame([values]), params, declared=False)
    assert refusals == []
    assert {Code.KVP_MISSING, Code.VENDOR_UNKNOWN, Code.CONTRAST_BY_TAG, Code.CONTRAST_BY_WORDS} <= set(
        not_checked
    )
    assert not {Code.SPACING_TOO_LARGE, Code.HU_IMPLAUSIBLE, Code.LEVELS_MISSING} & set(not_checked)
    broken = pd.DataFrame([{**values, "slice_spacing_mm": 9.0, "has_levels": False}])
    found = check_series(broken, params, declared=False).refusals
    assert [refusal.code for refusal in found] == [Code.SPACING_TOO_LARGE, Code.LEVELS_MISSING]


def test_a_finding_says_what_was_found_and_what_is_accepted(params: ValidateParams) -> None:
    (refusal,) = check_series(frame(kvp=150.0), params).refusals
    assert refusal.found == "kvp 150; accepted: 80 to 140 kV"


def test_another_number_of_rows_or_a_missing_column_is_refused(params: ValidateParams) -> None:
    with pytest.raises(SeriesFrameError, match="2 rows"):
        check_series(pd.concat([frame(), frame()]), params)
    with pytest.raises(SeriesFrameError, match="kvp"):
        check_series(frame().drop(columns="kvp"), params)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"kernel_class": "unknown", "kernel": ""}, Code.KERNEL_UNVALIDATED),
        ({"slice_thickness_mm": 0.6}, Code.THICKNESS_UNVALIDATED),
        ({"slice_thickness_mm": 5.5}, Code.THICKNESS_UNVALIDATED),
    ],
)
def test_an_unusual_reconstruction_is_answered_outside_validated_input(
    changes: dict[str, Any], code: Code, params: ValidateParams
) -> None:
    assert check_series(frame(**changes), params) == ([], [])
    assert [finding.code for finding in outside_validated(frame(**changes), params)] == [code]


def test_severities_are_critical_but_for_three(params: ValidateParams) -> None:
    warnings = [rule.code for rule in series_rules(params) if rule.severity is Severity.WARNING]
    assert warnings == [
        Code.KERNEL_UNVALIDATED, Code.THICKNESS_UNVALIDATED, Code.PIXEL_SPACING_OUT_OF_RANGE,
    ]  # fmt: skip


def test_a_tilt_may_be_resampled_by_policy_as_outside_validated_input(params: ValidateParams) -> None:
    resample = params.model_copy(update={"tilt_policy": "resample"})
    tilted, damaged = frame(tilt_deg=18.5), frame(tilt_deg=44.0)
    assert [item.code for item in check_series(tilted, params).refusals] == [Code.GANTRY_TILT]
    assert check_series(tilted, resample).refusals == []
    assert [item.code for item in outside_validated(tilted, resample)] == [Code.GANTRY_TILT]
    assert [item.code for item in check_series(damaged, resample).refusals] == [Code.GANTRY_TILT]
    assert outside_validated(frame(), resample) == []
