"""Predictions over a crop store, and their means per vertebra and per patient."""

from __future__ import annotations

import numpy as np
import pandas as pd
import structlog
import torch

from models.artefact import LoadedModel
from models.crop_store import CropStore
from models.dataset import CropDataset
from models.errors import InputError
from models.levels import LEVELS

MIN_LEVELS = 2
PREDICTIONS: tuple[str, ...] = ("bmd_pred_g_cm2", "tbs_pred")
LABELS: tuple[str, ...] = ("bmd_g_cm2", "tbs")


class GeometryMismatchError(InputError):
    """The crops have another geometry than the model was trained on."""


def predict_store(
    model: LoadedModel, store: CropStore, splits: tuple[str, ...], *, batch: int = 64, device: str = "cpu"
) -> pd.DataFrame:
    """fp32 predictions for every crop of these splits.

    Returns
    -------
    The store's index rows, in its order, with `bmd_pred_g_cm2` and `tbs_pred`.

    Raises
    ------
    GeometryMismatchError
        Store and model differ in crop geometry.
    """
    if store.header.geometry != model.card.geometry:
        raise GeometryMismatchError(
            f"crop store geometry {store.header.geometry} differs from the model's {model.card.geometry}; "
            "prepare the crops with the model's geometry or train again"
        )
    dataset = CropDataset(store, splits)
    network = model.network.to(device).eval()
    estimates = np.empty((len(dataset), 2), dtype=np.float64)
    start = 0
    with torch.inference_mode():
        for part in dataset.in_order(batch):
            bmd, tbs = network(part.crops.to(device), part.acquisition.to(device))
            estimates[start : start + len(part.rows)] = torch.cat([bmd, tbs], dim=1).cpu().numpy()
            start += len(part.rows)
    network.to("cpu")
    table = store.index.loc[dataset.rows].reset_index(drop=True)
    for column, values in zip(PREDICTIONS, estimates.T, strict=True):
        table[column] = values
    return table


def aggregate_levels(predictions: pd.DataFrame) -> pd.DataFrame:
    """One row per series and level: the mean over lateral offsets.

    Columns of the index stay (`lateral_offset_mm` goes, `crops` counts); rows are ordered by patient, series
    and level.
    """
    keys = ["patient", "series", "level"]
    groups = predictions.groupby(keys, sort=True, observed=True)
    table = groups.first().drop(columns=["lateral_offset_mm", *PREDICTIONS])
    table = table.join(groups[list(PREDICTIONS)].mean())
    table["crops"] = groups.size()
    return table.reset_index()


def aggregate_patients(levels: pd.DataFrame, *, min_levels: int = MIN_LEVELS) -> pd.DataFrame:
    """One row per patient: the mean over evaluable levels, each first averaged over the patient's series.

    A patient with fewer than `min_levels` levels has no row; `patients_without_enough_levels` names them.

    Returns
    -------
    Per patient: the facts of the first series (vendor, kvp, sex, age, ..., `bmd_l1_l4_g_cm2`,
    `tbs_l1_l4`), means over levels of `bmd_pred_g_cm2`, `tbs_pred`, `bmd_g_cm2`, `tbs` and
    `trabecular_hu`, `level_count`, and `levels` such as "L1 L2 L4".
    """
    averaged = [*PREDICTIONS, *LABELS, "trabecular_hu"]
    per_level = levels.groupby(["patient", "level"], observed=True)[averaged].mean()
    groups = per_level.groupby("patient")
    table = levels.drop(columns=["level", "crops", *averaged]).groupby("patient", sort=True).first()
    table = table.join(groups.mean())
    present = levels.groupby("patient")["level"].agg(set)
    table["level_count"] = present.map(len)
    table["levels"] = present.map(lambda found: " ".join(level for level in LEVELS if level in found))
    enough = table["level_count"] >= min_levels
    if not enough.all():
        structlog.get_logger().warning(
            "patients_left_out",
            count=int((~enough).sum()),
            reason=f"fewer than {min_levels} evaluable levels",
        )
    return table[enough].reset_index()


def patients_without_enough_levels(levels: pd.DataFrame, *, min_levels: int = MIN_LEVELS) -> list[str]:
    """Hashes of the patients that `aggregate_patients` leaves out."""
    counts = levels.groupby("patient")["level"].nunique()
    return sorted(counts.index[counts < min_levels])
