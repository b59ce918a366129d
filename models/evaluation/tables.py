"""From crops to levels to patients: the tables that everything is measured on."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from models.errors import InputError

PREDICTED = ("bmd_pred_g_cm2", "tbs_pred")
# What is measured against what: target -> (estimate, reference per level, reference per patient).
TARGETS: dict[str, tuple[str, str, str]] = {
    "bmd": ("bmd_pred_g_cm2", "bmd_g_cm2", "bmd_l1_l4_g_cm2"),
    "tbs": ("tbs_pred", "tbs", "tbs_l1_l4"),
}
_MEANS = (
    *PREDICTED,
    "bmd_g_cm2",
    "tbs",
    "trabecular_hu",
    "bmd_l1_l4_g_cm2",
    "tbs_l1_l4",
    "kvp",
    "slice_thickness_mm",
    "pixel_spacing_mm",
    "age_years",
    "bmi_kg_m2",
)
_SAME = ("split", "vendor", "sex", "dxa_device")


class PredictionTableError(InputError):
    """The table of predictions lacks columns, holds no numbers, or mixes splits."""


@dataclass(frozen=True)
class MeasuredTables:
    """Levels and patients.

    Attributes
    ----------
    levels
        One row per patient and level.
    patients
        One row per patient with enough levels; values of the exam's L1-L4 total, estimates averaged.
    excluded
        Reason in words -> number of patients left out for it.
    """

    levels: pd.DataFrame
    patients: pd.DataFrame
    excluded: dict[str, int]


def measured_tables(crops: pd.DataFrame, minimum_levels: int) -> MeasuredTables:
    """Average crops over levels, and levels over patients.

    Parameters
    ----------
    crops
        The crop store's index with `bmd_pred_g_cm2` and `tbs_pred`; those are NaN in splits that were not
        predicted (train, validation) and nowhere else.
    minimum_levels
        Patients with fewer levels are left out, and counted.

    Raises
    ------
    PredictionTableError
        Missing columns; a patient in two splits; an estimate that is not a number in calibration or test.
    """
    lacking = [name for name in (*_MEANS, *_SAME, "patient", "level") if name not in crops.columns]
    if lacking:
        raise PredictionTableError(f"predictions: columns missing: {', '.join(lacking)}")
    mixed = crops.groupby("patient")["split"].nunique()
    if (mixed > 1).any():
        raise PredictionTableError(
            f"predictions: {int((mixed > 1).sum())} patients are in more than one split"
        )
    judged = crops["split"].isin(["calibration", "test"])
    wrong = int(crops.loc[judged, list(PREDICTED)].isna().any(axis=1).sum())
    if wrong:
        raise PredictionTableError(
            f"predictions: {wrong} calibration or test crops have no number as estimate"
        )
    how = dict.fromkeys(_MEANS, "mean") | dict.fromkeys(_SAME, "first")
    levels = crops.groupby(["patient", "level"], sort=True).agg(how).reset_index()
    patients = levels.groupby("patient", sort=True).agg(how)
    patients["levels"] = levels.groupby("patient").size()
    patients = patients.reset_index()
    few = patients["levels"] < minimum_levels
    no_total = patients[["bmd_l1_l4_g_cm2", "tbs_l1_l4"]].isna().any(axis=1)
    excluded = {
        f"fewer than {minimum_levels} evaluable levels": int(few.sum()),
        "no L1-L4 total of BMD or TBS": int((no_total & ~few).sum()),
    }
    return MeasuredTables(levels, patients[~few & ~no_total].reset_index(drop=True), excluded)
