"""Baselines, leak test, ceiling and the paper's protocol."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.linear_model import LinearRegression
from sklearn.metrics import roc_auc_score, roc_curve

from models.bone_reference import ScalesParams
from models.evaluation.baselines import BASELINES, baseline_predictions, ceiling_predictions
from models.evaluation.beside import gains, judge_beside, share_of_ceiling
from models.evaluation.paper_protocol import paper_protocol
from models.evaluation.settings import EvaluateParams
from models.evaluation.tables import measured_tables
from models.params import load_section
from tests import simulated_predictions as simulated

PARAMS_FILE = Path(__file__).resolve().parents[3] / "params.yaml"
SCALES = load_section(PARAMS_FILE, "scales", ScalesParams)
PARAMS = load_section(PARAMS_FILE, "evaluate", EvaluateParams).model_copy(update={"bootstrap_draws": 300})
COUNTS = {"train": 300, "validation": 10, "calibration": 100, "test": 200}
TECHNIQUE = next(baseline for baseline in BASELINES if baseline.name == "technique")


@pytest.fixture(scope="module")
def crops() -> pd.DataFrame:
    return simulated.crops(3, simulated.of_quality(0.9, 0.6), COUNTS)


@pytest.fixture(scope="module")
def patients(crops: pd.DataFrame) -> pd.DataFrame:
    return measured_tables(crops, 2, SCALES).patients


@pytest.fixture(scope="module")
def latents(patients: pd.DataFrame) -> pd.DataFrame:
    """Two causes that add up to BMD but for a little noise; beside them the label itself, which must not be used."""
    rng = np.random.default_rng(1)
    bmd = patients["bmd_l1_l4_g_cm2"].to_numpy()
    shell = rng.normal(0, 0.1, len(bmd))
    return pd.DataFrame(
        {
            "patient": patients["patient"],
            "vbmd": 1000 * (bmd - shell + rng.normal(0, 0.03, len(bmd))),
            "shell": shell,
            "vendor": "GE",
            "hologic_bmd_l1_l4_g_cm2": bmd,
            "true_tbs_l1_l4": patients["tbs_l1_l4"],
            "constant": 1.0,
        }
    )


def _test(table: pd.DataFrame | str) -> pd.DataFrame:
    assert not isinstance(table, str), table
    return table[table["split"] == "test"]


def test_the_ceiling_is_sklearns_regression_on_the_causes_of_train_and_calibration_patients(
    patients: pd.DataFrame, latents: pd.DataFrame
) -> None:
    joined = patients.merge(latents[["patient", "vbmd", "shell"]], on="patient")
    fitted = joined[joined["split"].isin(["train", "calibration"])]
    theirs = LinearRegression().fit(fitted[["vbmd", "shell"]], fitted["bmd_l1_l4_g_cm2"])
    test = joined[joined["split"] == "test"]
    ours = _test(ceiling_predictions(patients, latents))
    assert list(ours["patient"]) == list(test["patient"])
    assert ours["bmd_pred_g_cm2"].to_numpy() == pytest.approx(theirs.predict(test[["vbmd", "shell"]]))


def test_share_of_the_ceiling_is_the_quotient_of_the_correlations(
    patients: pd.DataFrame, latents: pd.DataFrame
) -> None:
    test = patients[patients["split"] == "test"]
    ceiling = _test(ceiling_predictions(patients, latents))
    r_network = np.corrcoef(test["bmd_l1_l4_g_cm2"], test["bmd_pred_g_cm2"])[0, 1]
    r_ceiling = np.corrcoef(ceiling["bmd_l1_l4_g_cm2"], ceiling["bmd_pred_g_cm2"])[0, 1]
    metric = share_of_ceiling(test, ceiling, "bmd", PARAMS.resampling)
    assert r_ceiling > 0.95
    assert metric.value == pytest.approx(r_network / r_ceiling)
    assert metric.low is not None
    assert metric.high is not None
    assert metric.low < r_network / r_ceiling < metric.high


def test_the_ceiling_is_no_strict_bound(patients: pd.DataFrame, latents: pd.DataFrame) -> None:
    """Where the drawn parameters tell little of the texture that was realised, a network that sees it is above 1."""
    rng = np.random.default_rng(2)
    vague = latents.assign(vbmd=latents["vbmd"] + rng.normal(0, 300, len(latents)))
    ceiling = _test(ceiling_predictions(patients, vague))
    metric = share_of_ceiling(patients[patients["split"] == "test"], ceiling, "bmd", PARAMS.resampling)
    assert metric.low is not None
    assert metric.low > 1


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda table: table.drop(columns="patient"), "a column 'patient'"),
        (lambda table: pd.concat([table, table.head(1)]), "one row per patient"),
        (lambda table: table[["patient", "true_tbs_l1_l4", "vendor"]], "no numeric cause"),
        (lambda table: table.head(50), "lack one of: latent_vbmd"),
    ],
)
def test_latents_that_give_no_ceiling_say_why(
    patients: pd.DataFrame, latents: pd.DataFrame, spoil, words
) -> None:
    beside = judge_beside(patients, spoil(latents), ["bmd.pearson_r"], SCALES, PARAMS)
    assert words in str(beside.metrics["ceiling"]["bmd.pearson_r"].reason)
    assert words in str(beside.gains["ceiling"]["bmd.share_of_ceiling"].reason)


def test_technique_alone_tells_nothing_and_a_planted_leak_is_seen(crops: pd.DataFrame) -> None:
    """The leak: sicker patients scanned with noisier images. Without noise in the regression it would stay hidden."""
    clean = judge_beside(measured_tables(crops, 2, SCALES).patients, None, [], SCALES, PARAMS)
    r = clean.metrics["technique"]["bmd.pearson_r"]
    assert r.low is not None
    assert r.low < 0.1
    leaky = crops.assign(noise_hu=40 - 25 * crops["bmd_l1_l4_g_cm2"])
    seen = judge_beside(measured_tables(leaky, 2, SCALES).patients, None, [], SCALES, PARAMS)
    assert float(seen.metrics["technique"]["bmd.pearson_r"].low or 0) > 0.9


def test_where_noise_was_not_measured_the_leak_test_goes_without_it(crops: pd.DataFrame) -> None:
    bare = measured_tables(crops.assign(noise_hu=np.nan), 2, SCALES).patients
    assert len(_test(baseline_predictions(bare, TECHNIQUE))) == 200


def test_gain_in_r_has_scipys_paired_interval(patients: pd.DataFrame) -> None:
    test = patients[patients["split"] == "test"]
    hu = _test(baseline_predictions(patients, BASELINES[0]))
    ours = gains(test, hu, SCALES, PARAMS.resampling.model_copy(update={"draws": 4000}))["bmd.pearson_r"]
    truth, first, second = test["bmd_l1_l4_g_cm2"], test["bmd_pred_g_cm2"], hu["bmd_pred_g_cm2"]
    theirs = stats.bootstrap(
        (truth.to_numpy(), first.to_numpy(), second.to_numpy()),
        lambda t, a, b: stats.pearsonr(t, a).statistic - stats.pearsonr(t, b).statistic,
        paired=True, vectorized=False, n_resamples=1000, method="percentile", rng=np.random.default_rng(2),
    ).confidence_interval  # fmt: skip
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.02)


def test_gain_in_auc_is_the_difference_of_sklearns(patients: pd.DataFrame) -> None:
    test = patients[patients["split"] == "test"]
    hu = _test(baseline_predictions(patients, BASELINES[0]))
    positive = test["bmd_l1_l4_g_cm2"] <= 0.772
    expected = roc_auc_score(positive, -test["bmd_pred_g_cm2"]) - roc_auc_score(
        positive, -hu["bmd_pred_g_cm2"]
    )
    metric = gains(test, hu, SCALES, PARAMS.resampling)["osteoporosis.auc"]
    assert metric.value == pytest.approx(expected)
    assert metric.positives == int(positive.sum())


def test_the_papers_protocol_takes_the_best_cut_of_sklearns_curve_over_test_vertebrae(
    crops: pd.DataFrame,
) -> None:
    levels = measured_tables(crops, 2, SCALES).levels
    levels = levels[levels["split"] == "test"]
    positive, score = levels["bmd_g_cm2"] <= 0.937, -levels["bmd_pred_g_cm2"]
    metrics = paper_protocol(levels, SCALES, PARAMS.resampling).metrics
    false_share, true_share, _ = roc_curve(positive, score)
    best = float(np.max(true_share - false_share))
    found, spared = metrics["osteopenia.sensitivity"], metrics["osteopenia.specificity"]
    assert float(found.value or 0) + float(spared.value or 0) - 1 == pytest.approx(best)
    assert metrics["osteopenia.auc"].value == pytest.approx(roc_auc_score(positive, score))
    assert found.n == 800
