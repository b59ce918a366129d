"""Today's practice beside the network, a leak test, and the cohort's own ceiling: least-squares regressions.

Fitted on train patients (the ceiling on train and calibration patients), judged on the network's test patients.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.evaluation.measures import known
from models.evaluation.tables import TARGETS

JUDGED = ("calibration", "test")
WORDS = ("sex", "vendor")
ENOUGH_MEASURED = 0.9
# The labels themselves, quantities that the DXA simulation measured, and what is read off the image.
NOT_A_CAUSE = ("hologic_bmd", "true_tbs", "bmd", "tbs", "trabecular_hu", "posterior_share")


class Baseline(NamedTuple):
    """A regression.

    Attributes
    ----------
    name, title
        In the report, and for people.
    features
        What it is given; a patient who lacks one is not judged by it.
    optional
        Given as well where it was measured at all.
    """

    name: str
    title: str
    features: tuple[str, ...]
    optional: tuple[str, ...] = ()


BASELINES: tuple[Baseline, ...] = (
    Baseline("hu", "trabecular HU", ("trabecular_hu",)),
    Baseline("hu_kvp", "HU with kVp", ("trabecular_hu", "kvp")),
    Baseline("hu_age_sex_bmi", "HU with age, sex, BMI", ("trabecular_hu", "age_years", "sex", "bmi_kg_m2")),
    Baseline("age_sex", "age and sex only", ("age_years", "sex")),
    Baseline(
        "technique",
        "technique only (leak test)",
        ("vendor", "kvp", "slice_thickness_mm", "pixel_spacing_mm"),
        ("noise_hu",),
    ),
    Baseline("constant", "mean of the train patients", ()),
)


CEILING = Baseline("ceiling", "the phantoms' drawn parameters, linear (ceiling)", ())


def baseline_predictions(patients: pd.DataFrame, baseline: Baseline) -> pd.DataFrame | str:
    """Patient table with the baseline's estimates in place of the network's.

    Parameters
    ----------
    patients
        One row per patient of all splits (see `models.evaluation.tables`).

    Returns
    -------
    The calibration and test rows with `bmd_pred_g_cm2` and `tbs_pred`, without the few (at most one in ten) who
    lack a feature; or, in words, why it cannot be judged.
    """
    train = patients[patients["split"] == "train"]
    judged = patients[patients["split"].isin(JUDGED)]
    measured = tuple(name for name in baseline.optional if patients[name].notna().mean() >= ENOUGH_MEASURED)
    return _regression(train, judged, baseline._replace(features=baseline.features + measured))


def ceiling_predictions(patients: pd.DataFrame, latents: pd.DataFrame) -> pd.DataFrame | str:
    """As `baseline_predictions`: the drawn parameters of a simulated cohort, in linear regression.

    A yardstick, not a strict bound: DXA need not follow the parameters linearly, and they hold one value per
    patient, not the texture that was realised from them and that an image shows.

    Parameters
    ----------
    latents
        One row per patient with a column `patient`; every other numeric column is a drawn parameter, but for those that
        restate the labels or the image (`NOT_A_CAUSE`).
    """
    if "patient" not in latents or latents["patient"].duplicated().any():
        return "the latents need one row per patient, named in a column 'patient'"
    numbers = latents.select_dtypes("number")
    causes = [
        name for name in numbers.columns if not name.startswith(NOT_A_CAUSE) and numbers[name].nunique() > 1
    ]
    if not causes:
        return "the latents hold no numeric cause"
    given = latents[["patient", *causes]].rename(columns={name: f"latent_{name}" for name in causes})
    joined = patients.merge(given, on="patient", how="left")
    fitted = joined[joined["split"].isin(["train", "calibration"])]
    judged = joined[joined["split"].isin(JUDGED)]
    return _regression(fitted, judged, CEILING._replace(features=tuple(given.columns[1:])))


def _regression(fitted: pd.DataFrame, judged: pd.DataFrame, baseline: Baseline) -> pd.DataFrame | str:
    numbers = [name for name in baseline.features if name not in WORDS]
    complete = judged.dropna(subset=numbers).copy()
    lacking = len(judged) - len(complete)
    if lacking > (1 - ENOUGH_MEASURED) * len(judged):
        return f"{lacking} calibration or test patients lack one of: {', '.join(baseline.features)}"
    fitted = fitted.dropna(subset=numbers)
    if fitted.empty:
        return "no train patient to fit the regression on"
    for target, (estimate, _, reference) in TARGETS.items():
        rows = known(fitted, target)
        fit, apply = _design(rows, baseline, fitted), _design(complete, baseline, fitted)
        if len(rows) <= fit.shape[1]:
            return f"{len(rows)} patients to fit on; more than {fit.shape[1]} are needed"
        weights, *_ = np.linalg.lstsq(fit, rows[reference].to_numpy(dtype=np.float64), rcond=None)
        complete[estimate] = apply @ weights
    return complete


def _design(rows: pd.DataFrame, baseline: Baseline, train: pd.DataFrame) -> NDArray[np.float64]:
    """(n, k) design matrix; numbers standardised by the train patients, words as one column per value."""
    columns = [np.ones(len(rows))]
    for name in baseline.features:
        if name in WORDS:
            for value in sorted(train[name].unique())[1:]:
                columns.append((rows[name] == value).to_numpy(dtype=np.float64))
        else:
            spread = float(train[name].std(ddof=0)) or 1.0  # a constant column only shifts the intercept
            columns.append(((rows[name] - train[name].mean()) / spread).to_numpy(dtype=np.float64))
    return np.column_stack(columns)
