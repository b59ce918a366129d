"""Predictions over a crop store."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from models.artefact import LoadedModel
from models.crop_store import CropStore
from models.dataset import CropDataset
from models.errors import InputError

PREDICTIONS: tuple[str, ...] = ("bmd_pred_g_cm2", "tbs_pred")


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
