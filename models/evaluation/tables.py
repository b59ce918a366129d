"""From crops to levels to patients: the tables that everything is measured on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.bone_reference import ScalesParams, tbs_is_judged, unknown_devices
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
    "noise_hu",
)
_SAME = ("split", "vendor", "kernel_class", "sex", "dxa_device")
_LABELS = ("bmd_g_cm2", "tbs")
_TOTALS = ("bmd_l1_l4_g_cm2", "tbs_l1_l4")


class PredictionTableError(InputError):
    """The table of predictions cannot be judged; the message says what was found and what is accepted."""


@dataclass(frozen=True)
class MeasuredTables:
    """Levels and patients.

    Attributes
    ----------
    levels
        One row per patient and level.
    patients
        One row per patient with enough levels; values of the exam's L1-L4 total, estimates averaged;
        `tbs_judged` says whether TBS is defined for the patient.
    excluded
        Reason in words -> number of patients left out for it.
    """

    levels: pd.DataFrame
    patients: pd.DataFrame
    excluded: dict[str, int]


def measured_tables(
    crops: pd.DataFrame, minimum_levels: int, scales: ScalesParams | None = None
) -> MeasuredTables:
    """Average crops over levels, and levels over patients.

    Parameters
    ----------
    crops
        The crop store's index with `bmd_pred_g_cm2` and `tbs_pred`; those are NaN in splits that were not
        predicted (train, validation) and nowhere else.
    minimum_levels
        Patients with fewer levels are left out, and counted.
    scales
        For the BMI range that TBS is judged in; None judges it for everybody.

    Raises
    ------
    PredictionTableError
        Missing columns; a patient in two splits; an estimate that is not a number in calibration or test; a
        label that is not a number; labels that are all the same; a DXA device whose scale is not known.
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
    _require_labels(crops)
    how = dict.fromkeys(_MEANS, "mean") | dict.fromkeys(_SAME, "first")
    levels = crops.groupby(["patient", "level"], sort=True).agg(how).reset_index()
    levels = levels.astype(
        dict.fromkeys(("patient", "level", *_SAME), object)
    )  # quicker to select from than strings
    patients = levels.groupby("patient", sort=True).agg(how)
    patients["levels"] = levels.groupby("patient").size()
    patients = patients.reset_index()
    patients["tbs_judged"] = (
        True if scales is None else tbs_is_judged(patients["bmi_kg_m2"].to_numpy(dtype=np.float64), scales)
    )
    levels["tbs_judged"] = levels["patient"].map(patients.set_index("patient")["tbs_judged"])
    few = patients["levels"] < minimum_levels
    no_total = patients[["bmd_l1_l4_g_cm2", "tbs_l1_l4"]].isna().any(axis=1)
    excluded = {
        f"fewer than {minimum_levels} evaluable levels": int(few.sum()),
        "no L1-L4 total of BMD or TBS": int((no_total & ~few).sum()),
    }
    return MeasuredTables(levels, patients[~few & ~no_total].reset_index(drop=True), excluded)


def _require_labels(crops: pd.DataFrame) -> None:
    """Refuse labels that nothing can be measured against."""
    lacking = ~np.isfinite(crops[list(_LABELS)].to_numpy(dtype=np.float64)).all(axis=1)
    lacking |= np.isinf(crops[list(_TOTALS)].to_numpy(dtype=np.float64)).any(axis=1)
    if lacking.any():
        raise PredictionTableError(
            f"predictions: {int(lacking.sum())} crops have no number as BMD or TBS label; a level without a "
            "DXA value gets no crop: prepare the crops again"
        )
    judged = crops[crops["split"].isin(["calibration", "test"])]
    for name in (*_LABELS, *_TOTALS):
        values = judged[name].dropna()
        if judged["patient"].nunique() > 2 and len(values) and values.nunique() == 1:
            raise PredictionTableError(
                f"predictions: {name} is {values.iloc[0]:g} for every calibration and test patient; measured "
                "values differ: mend the DXA table"
            )
    unknown = unknown_devices(crops["dxa_device"].unique())
    if unknown is not None:
        raise PredictionTableError(f"predictions: {unknown}")
