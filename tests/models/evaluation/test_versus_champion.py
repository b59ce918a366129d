"""Challenger minus champion: hand-calculated, beside scipy's paired bootstrap, and only on the same patients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from models.bone_reference import ScalesParams
from models.evaluation.bootstrap import Resampling
from models.evaluation.versus_champion import OtherPatientsError, versus_champion
from models.params import load_section

SCALES = load_section(Path(__file__).resolve().parents[3] / "params.yaml", "scales", ScalesParams)
HOW = Resampling(draws=300, seed=5, confidence=0.95)
KEYS = {"bmd.pearson_r", "tbs.pearson_r", "osteopenia.auc", "osteoporosis.auc", "impaired_tbs.auc"}


def _table(bmd_predicted: list[float], bmd: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "patient": [f"p{number}" for number in range(len(bmd))],
            "bmd_l1_l4_g_cm2": bmd,
            "tbs_l1_l4": [1.2 + 0.2 * (number % 2) for number in range(len(bmd))],
            "bmd_pred_g_cm2": bmd_predicted,
            "tbs_pred": np.linspace(1.1, 1.5, len(bmd)),
        }
    )


def _cohort(n: int, noise: float, seed: int = 0) -> pd.DataFrame:
    truth = np.random.default_rng(1).normal(0.93, 0.15, n)
    table = _table(list(truth), list(truth))
    table["bmd_pred_g_cm2"] += np.random.default_rng(seed + 100).normal(0, noise, n)
    table["tbs_l1_l4"] = np.random.default_rng(2).normal(1.31, 0.1, n)
    table["tbs_pred"] = table["tbs_l1_l4"] + np.random.default_rng(seed + 200).normal(0, noise, n)
    return table


def test_the_difference_is_challenger_minus_champion_by_hand() -> None:
    """r of (1,2,3,4) with itself is 1, with (2,1,4,3) it is 0.6, here each three times; T <= -2.5 is 0.772 g/cm2."""
    truth = [0.5, 0.6, 0.7, 0.8] * 3
    found = versus_champion(_table(truth, truth), _table([0.6, 0.5, 0.8, 0.7] * 3, truth), SCALES, HOW)
    assert set(found) == KEYS
    assert found["bmd.pearson_r"].value == pytest.approx(1 - 0.6)
    # osteoporosis: 0.5, 0.6, 0.7 with it, 0.8 without; the champion's order puts 0.8's 0.7 below 0.7's 0.8: 2/3
    assert found["osteoporosis.auc"].value == pytest.approx(1 - 2 / 3)
    assert found["osteopenia.auc"].value is None  # T <= -1 up to 0.937: everybody has it
    assert found["osteopenia.auc"].reason == "one class only"


def test_the_interval_is_that_of_scipy() -> None:
    ours, theirs = _cohort(150, 0.06), _cohort(150, 0.10, seed=1)

    def difference(truth, a, b):  # type: ignore[no-untyped-def]
        return np.corrcoef(truth, a)[0, 1] - np.corrcoef(truth, b)[0, 1]

    expected = stats.bootstrap(
        (ours["bmd_l1_l4_g_cm2"], ours["bmd_pred_g_cm2"], theirs["bmd_pred_g_cm2"]),
        difference,
        paired=True,
        vectorized=False,
        method="percentile",
        n_resamples=2000,
        random_state=np.random.default_rng(9),
    ).confidence_interval
    how = HOW.model_copy(update={"draws": 2000})
    found = versus_champion(ours, theirs, SCALES, how)["bmd.pearson_r"]
    assert found.low == pytest.approx(expected.low, abs=0.006)
    assert found.high == pytest.approx(expected.high, abs=0.006)


def test_the_same_predictions_differ_by_nothing() -> None:
    for metric in versus_champion(_cohort(60, 0.08), _cohort(60, 0.08), SCALES, HOW).values():
        assert (metric.value, metric.low, metric.high) == (0.0, 0.0, 0.0)


def test_exchanged_models_change_the_sign() -> None:
    ours, theirs = _cohort(80, 0.06), _cohort(80, 0.10, seed=1)
    forward, back = versus_champion(ours, theirs, SCALES, HOW), versus_champion(theirs, ours, SCALES, HOW)
    for key in KEYS:
        assert forward[key].value == pytest.approx(-float(back[key].value or 0))
        assert forward[key].low == pytest.approx(-float(back[key].high or 0))


def test_pairing_knows_the_difference_better_than_two_intervals_do() -> None:
    """Same scan, same errors but for a little: unpaired, the interval would be that of two independent r."""
    ours = _cohort(120, 0.10)
    theirs = ours.assign(
        bmd_pred_g_cm2=ours["bmd_pred_g_cm2"] + np.random.default_rng(3).normal(0, 0.01, 120)
    )
    paired = versus_champion(ours, theirs, SCALES, HOW)["bmd.pearson_r"]
    # two independent r of 0.83 from 120 patients: standard error (1 - r2) sqrt(2 / n), 0.040
    assert float(paired.high or 0) - float(paired.low or 0) < 0.2 * 2 * 1.96 * 0.040


def test_the_order_of_the_patients_does_not_matter() -> None:
    ours, theirs = _cohort(50, 0.06), _cohort(50, 0.10, seed=1)
    shuffled = theirs.sample(frac=1, random_state=4)
    assert versus_champion(ours, shuffled, SCALES, HOW) == versus_champion(ours, theirs, SCALES, HOW)


def test_a_patient_without_a_tbs_reference_is_left_out_of_tbs_only() -> None:
    ours, theirs = _cohort(50, 0.06), _cohort(50, 0.10, seed=1)
    for table in (ours, theirs):
        table.loc[:4, "tbs_l1_l4"] = np.nan
    found = versus_champion(ours, theirs, SCALES, HOW)
    assert (found["bmd.pearson_r"].n, found["tbs.pearson_r"].n, found["impaired_tbs.auc"].n) == (50, 45, 45)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda table: table.iloc[1:], "1 only by the challenger, 0 only by the champion"),
        (lambda table: table.assign(patient="x" + table["patient"]), "30 only by the challenger, 30 only"),
        (lambda table: pd.concat([table, table.iloc[:1]]), "1 test patients are there twice"),
        (lambda table: table.assign(tbs_pred=np.nan), "the champion has no number as estimate for 30"),
        (
            lambda table: table.assign(bmd_l1_l4_g_cm2=table["bmd_l1_l4_g_cm2"] + 0.01),
            "30 test patients have another bmd_l1_l4_g_cm2",
        ),
    ],
)
def test_other_patients_or_other_references_are_refused(spoil, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(OtherPatientsError, match=words):
        versus_champion(_cohort(30, 0.06), spoil(_cohort(30, 0.10)), SCALES, HOW)
