"""Accepted pairs with their labels on one scale: BMD as a Hologic device would give it."""

from __future__ import annotations

import pandas as pd

from models.bone_reference import to_hologic_g_cm2
from models.dxa_columns import BMD_COLUMNS, INVALID_COLUMNS, TBS_COLUMNS

ACCEPTED_COLUMNS: tuple[str, ...] = (
    "patient", "series", "vendor", "model", "kvp", "kernel", "kernel_class", "slice_thickness_mm",
    "slice_spacing_mm", "pixel_spacing_mm", "rows", "columns", "slice_count", "contrast_image_hu",
    "acquisition_date", "exam_date", "days_apart", "dxa_device", "device_family", "sex", "age_years", "height_cm",
    "weight_kg", "bmi_kg_m2", *BMD_COLUMNS, *TBS_COLUMNS, *INVALID_COLUMNS, "evaluable_levels",
)  # fmt: skip
_TEXTS = (
    "patient", "series", "vendor", "model", "kernel", "kernel_class", "acquisition_date", "exam_date", "dxa_device",
    "device_family", "sex",
)  # fmt: skip
_COUNTS = ("rows", "columns", "slice_count", "evaluable_levels")


def accepted_frame(pairs: pd.DataFrame) -> pd.DataFrame:
    """Pairs that passed, as `tables.read_accepted` describes them.

    Parameters
    ----------
    pairs
        Rows of `Pairing.pairs`; BMD in g/cm2 on each device's own scale.
    """
    frame = pairs.loc[:, list(ACCEPTED_COLUMNS)].copy()
    numbers = [column for column in ACCEPTED_COLUMNS if column not in _TEXTS]
    frame[numbers] = frame[numbers].apply(pd.to_numeric).astype("float64")
    for family, rows in frame.groupby("device_family").groups.items():
        for column in BMD_COLUMNS:
            frame.loc[rows, column] = to_hologic_g_cm2(frame.loc[rows, column].to_numpy(), str(family))
    for column in INVALID_COLUMNS:
        level = column.removeprefix("invalid_")
        flagged = frame[column] == 1.0
        # a label that the clinic calls not evaluable must not be trained on by oversight
        frame.loc[flagged, [f"bmd_{level}_g_cm2", f"tbs_{level}"]] = float("nan")
        frame[column] = flagged
    for column in _TEXTS:
        frame[column] = frame[column].where(frame[column].notna(), "").astype("str")
    return frame.astype(dict.fromkeys(_COUNTS, "int64")).reset_index(drop=True)
