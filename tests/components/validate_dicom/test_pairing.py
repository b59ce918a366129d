"""One series and one exam per patient, chosen the same way every time."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pandas as pd
import pytest

from components.ingest_dicom.pseudonym import Pseudonymiser
from components.validate_dicom.dxa_table import read_dxa_table
from components.validate_dicom.labels import accepted_frame
from components.validate_dicom.pairing import days_between, pair
from components.validate_dicom.params import ValidateParams
from tests.components.validate_dicom.sound_intake import KEY, as_ingested, series_row, write_exams

PATIENT = Pseudonymiser(KEY).patient("ID1")


def scans(*changes: dict[str, Any]) -> pd.DataFrame:
    rows = [as_ingested(series_row(**{"patient": "ID1", **one}), Pseudonymiser(KEY)) for one in changes]
    return pd.DataFrame([dataclasses.asdict(row) for row in rows])


@pytest.fixture
def exams(tmp_path):
    return lambda *rows: read_dxa_table(write_exams(tmp_path / "dxa.csv", list(rows)), Pseudonymiser(KEY))


def test_soft_kernel_goes_before_thin_slices(exams, params: ValidateParams) -> None:
    series = scans(
        {"series": "a", "kernel_class": "sharp", "slice_thickness_mm": 0.6},
        {"series": "b", "kernel_class": "soft", "slice_thickness_mm": 5.0},
        {"series": "c", "kernel_class": "soft", "slice_thickness_mm": 2.0},
    )
    for order in ([0, 1, 2], [2, 1, 0]):
        pairing = pair(series.iloc[order], exams({}), params)
        assert pairing.pairs["series"].tolist() == ["c"]
        assert pairing.series_left == {"a": "c", "b": "c"}


def test_a_series_near_an_exam_goes_before_a_better_one_far_from_it(exams, params: ValidateParams) -> None:
    series = scans(
        {"series": "far", "acquisition_date": "2022-01-01", "slice_thickness_mm": 0.6}, {"series": "near"}
    )
    assert pair(series, exams({}), params).pairs["series"].tolist() == ["near"]


def test_the_nearest_exam_is_taken_and_the_other_is_listed(exams, params: ValidateParams) -> None:
    pairing = pair(scans({}), exams({"exam_date": "2023-05-10"}, {"exam_date": "2024-06-01"}), params)
    assert pairing.pairs["days_apart"].tolist() == [22.0]  # 10 May to 1 June
    assert pairing.exams_left == {2: 3}


def test_patients_with_one_half_stay_in_the_table(exams, params: ValidateParams) -> None:
    pairs = pair(scans({"patient": "other"}), exams({}), params).pairs.set_index("patient")
    assert pd.isna(pairs.loc[Pseudonymiser(KEY).patient("other"), "exam_date"])
    assert pd.isna(pairs.loc[PATIENT, "series"])


def test_days_are_counted_either_way() -> None:
    assert days_between("2024-02-28", "2024-03-01") == 2.0
    assert days_between("2024-03-01", "2024-02-28") == 2.0
    assert math.isnan(days_between("", "2024-03-01"))


def test_labels_are_on_the_hologic_scale_and_invalid_levels_have_none(exams, params: ValidateParams) -> None:
    exam = {"device": "GE Lunar iDXA", "bmd_l2_g_cm2": "1.0", "invalid_l3": "1", "height_cm": "", "sex": ""}
    accepted = accepted_frame(pair(scans({}), exams(exam), params).pairs).iloc[0]
    assert accepted["bmd_l2_g_cm2"] == pytest.approx(0.881)  # 0.906 x 1.0 - 0.025, Genant 1994
    assert accepted["tbs_l2"] == 1.25  # TBS has one scale
    assert math.isnan(accepted["bmd_l3_g_cm2"])
    assert math.isnan(accepted["tbs_l3"])
    assert math.isnan(accepted["bmi_kg_m2"])
    assert (accepted["dxa_device"], accepted["sex"], accepted["evaluable_levels"]) == ("GE Lunar", "F", 3)
