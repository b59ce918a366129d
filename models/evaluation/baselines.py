"""Today's practice beside the network: least-squares regressions on a few known quantities.

Fitted on train patients, judged on the same test patients as the network.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.evaluation.tables import TARGETS


class Baseline(NamedTuple):
    """A regression: its name in the report, a title for people, and what it is given."""

    name: str
    title: str
    features: tuple[str, ...]


BASELINES: tuple[Baseline, ...] = (
    Baseline("hu", "trabecular HU", ("trabecular_hu",)),
    Baseline("hu_kvp", "HU with kVp", ("trabecular_hu", "kvp")),
    Baseline("hu_age_sex_bmi", "HU with age, sex, BMI", ("trabecular_hu", "age_years", "sex", "bmi_kg_m2")),
    Baseline("age_sex", "age and sex only", ("age_years", "sex")),
    Baseline(
        "technique", "technique only (leak test)", ("vendor", "kvp", "slice_thickness_mm", "pixel_spacing_mm")
    ),
    Baseline("constant", "mean of the train patients", ()),
)


def baseline_predictions(patients: pd.DataFrame, baseline: Baseline) -> pd.DataFrame | str:
    """Patient table with the baseline's estimates in place of the network's.

    Parameters
    ----------
    patients
        One row per patient of all splits (see `models.evaluation.tables`).

    Returns
    -------
    The calibration and test rows with `bmd_pred_g_cm2` and `tbs_pred`; or, in words, why it cannot be judged
    on the same patients.
    """
    train = patients[patients["split"] == "train"]
    judged = patients[patients["split"].isin(["calibration", "test"])].copy()
    numbers = [name for name in baseline.features if name not in ("sex", "vendor")]
    train = train.dropna(subset=numbers)
    lacking = int(judged[numbers].isna().any(axis=1).sum()) if numbers else 0
    if lacking:
        return f"{lacking} calibration or test patients lack one of: {', '.join(baseline.features)}"
    fit, apply = _design(train, baseline, train), _design(judged, baseline, train)
    if len(train) <= fit.shape[1]:
        return f"{len(train)} train patients; more than {fit.shape[1]} are needed"
    for estimate, _, reference in TARGETS.values():
        weights, *_ = np.linalg.lstsq(fit, train[reference].to_numpy(), rcond=None)
        judged[estimate] = apply @ weights
    return judged


def _design(rows: pd.DataFrame, baseline: Baseline, train: pd.DataFrame) -> NDArray[np.float64]:
    """(n, k) design matrix; numbers standardised by the train patients, words as one column per value."""
    columns = [np.ones(len(rows))]
    for name in baseline.features:
        if name in ("sex", "vendor"):
            for value in sorted(train[name].unique())[1:]:
                columns.append((rows[name] == value).to_numpy(dtype=np.float64))
        else:
            spread = float(train[name].std(ddof=0)) or 1.0  # a constant column only shifts the intercept
            columns.append(((rows[name] - train[name].mean()) / spread).to_numpy(dtype=np.float64))
    return np.column_stack(columns)
