"""What cannot be judged is refused in one line that says what was found and what is accepted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.bone_reference import ScalesParams
from models.evaluation.measures import pairs
from models.evaluation.tables import PredictionTableError, measured_tables
from models.params import load_section
from tests import simulated_predictions as simulated

SCALES = load_section(Path(__file__).resolve().parents[3] / "params.yaml", "scales", ScalesParams)
Spoil = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture(scope="module")
def crops() -> pd.DataFrame:
    return simulated.crops(1, simulated.of_quality(0.87, 0.55))


def _first(column: str, value: object) -> Spoil:
    def spoil(crops: pd.DataFrame) -> pd.DataFrame:
        crops = crops.copy()
        crops.loc[crops.index[0], column] = value
        return crops

    return spoil


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_first("tbs", np.nan), "1 crops have no number as BMD or TBS label"),
        (_first("bmd_g_cm2", np.inf), "1 crops have no number as BMD or TBS label"),
        (_first("bmd_l1_l4_g_cm2", -np.inf), "1 crops have no number as BMD or TBS label"),
        (
            lambda crops: crops.assign(tbs_l1_l4=1.3),
            "tbs_l1_l4 is 1.3 for every calibration and test patient",
        ),
        (
            lambda crops: crops.assign(bmd_g_cm2=0.9),
            "bmd_g_cm2 is 0.9 for every calibration and test patient",
        ),
        (
            _first("dxa_device", "Norland XR-46"),
            "DXA device 'Norland XR-46' .* accepted: a text with Hologic",
        ),
        (_first("dxa_device", ""), "names no known scale"),
        (_first("split", "test"), "1 patients are in more than one split"),
        (
            lambda crops: crops.drop(columns=["kernel_class", "noise_hu"]),
            "columns missing: noise_hu, kernel_class",
        ),
    ],
)
def test_damaged_tables_are_refused(crops: pd.DataFrame, spoil: Spoil, words: str) -> None:
    with pytest.raises(PredictionTableError, match=words) as caught:
        measured_tables(spoil(crops), 2, SCALES)
    assert "\n" not in str(caught.value)


def test_tbs_is_judged_only_where_bmi_is_known_and_in_its_range(crops: pd.DataFrame) -> None:
    patients = sorted(crops["patient"].unique())[:5]
    bmi = dict(zip(patients, (14.9, 15.0, 37.0, 37.1, np.nan), strict=True))
    some = crops[crops["patient"].isin(patients)]
    some = some.assign(bmi_kg_m2=some["patient"].map(bmi))
    tables = measured_tables(some, 2, SCALES)
    assert tables.patients["tbs_judged"].tolist() == [False, True, True, False, False]
    assert pairs(tables.patients, "tbs").patients == patients[1:3]
    assert pairs(tables.patients, "bmd").patients == patients
    assert len(pairs(tables.levels, "tbs", per_level=True).truth) == 8
    assert measured_tables(some, 2).patients["tbs_judged"].all()
