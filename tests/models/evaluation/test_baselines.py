"""The baselines of the whole evaluation: fitted on whom, judged on whom, and what a good network gains on them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from models.evaluation.report import Evaluation
from tests.small_evaluation import evaluated


def test_baselines_are_fitted_on_train_patients_only(crops: pd.DataFrame, evaluation: Evaluation) -> None:
    people = crops.groupby("patient").agg("first")
    train, test = people[people["split"] == "train"], people[people["split"] == "test"]
    theirs = LinearRegression().fit(train[["trabecular_hu"]], train["bmd_l1_l4_g_cm2"])
    expected = np.abs(theirs.predict(test[["trabecular_hu"]]) - test["bmd_l1_l4_g_cm2"]).mean()
    assert evaluation.report.baselines["hu"]["bmd.mae_g_cm2"].value == pytest.approx(expected)


def test_a_good_network_gains_on_age_and_sex_and_on_hu(evaluation: Evaluation) -> None:
    for baseline in ("age_sex", "hu"):
        gain = evaluation.report.gains[baseline]["bmd.pearson_r"]
        assert gain.low is not None
        assert gain.low > 0


def test_the_constant_baseline_has_no_r_and_no_gain_but_errors(evaluation: Evaluation) -> None:
    assert evaluation.report.baselines["constant"]["bmd.pearson_r"].value is None
    assert evaluation.report.gains["constant"]["bmd.pearson_r"].value is None
    assert evaluation.report.baselines["constant"]["bmd.mae_g_cm2"].value is not None


@pytest.mark.parametrize(("lacking", "judged"), [(1, True), (10, False)])
def test_a_covariate_that_few_lack_leaves_them_out_and_one_that_many_lack_takes_the_baseline_away(
    crops: pd.DataFrame, lacking: int, judged: bool
) -> None:
    crops = crops.copy()
    who = crops.loc[crops["split"] == "test", "patient"].unique()[:lacking]
    crops.loc[crops["patient"].isin(who), "bmi_kg_m2"] = np.nan
    report = evaluated(crops).report
    metric = report.baselines["hu_age_sex_bmi"]["bmd.pearson_r"]
    if judged:
        assert metric.n == report.gains["hu_age_sex_bmi"]["bmd.pearson_r"].n == 27
    else:
        assert "10 calibration or test patients lack one of" in str(metric.reason)
    assert report.baselines["hu"]["bmd.pearson_r"].n == 28
