"""Standardisation and the linear start, against scikit-learn; averaging, by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler
from torch import nn

from models.averaging import AveragedWeights
from models.dataset import CropDataset
from models.network import BoneNet
from models.network_config import NetworkConfig
from models.standardisation import standardise_from
from tests.crop_store_factory import make_store


def test_the_linear_start_is_scikit_learns_ridge(tmp_path: Path) -> None:
    store = make_store(tmp_path / "crops", patients=20, pixels=16, offsets_mm=(0.0,))
    dataset = CropDataset(store, ("train",))
    network = BoneNet(
        NetworkConfig(arch="resnet18", slices=3, pixels=16, size_mm=64.0, body_anterior_mm=8.0)
    ).eval()
    standardise_from(network, dataset, linear_start=True)

    batch = dataset.batch(np.arange(len(dataset)))
    with torch.no_grad():
        raw = network.intensity(network.normalised_hu(batch.crops, batch.acquisition)).numpy()
    features = StandardScaler().fit_transform(raw.astype(float))
    scaler = StandardScaler().fit(dataset.labels.astype(float))
    ridge = Ridge(alpha=10.0, fit_intercept=False).fit(
        features, scaler.transform(dataset.labels.astype(float))
    )
    weights = network.shallow.weight.detach().numpy()
    assert weights[:, :4] == pytest.approx(ridge.coef_, abs=1e-4)
    assert (weights[:, 4:] == 0).all(), "acquisition starts without influence"
    assert network.label_mean.numpy() == pytest.approx(scaler.mean_, rel=1e-5)
    assert network.label_std.numpy() == pytest.approx(scaler.scale_, rel=1e-5)


def test_a_fact_that_never_varies_stays_out_of_the_way(tmp_path: Path) -> None:
    store = make_store(tmp_path / "crops", patients=10, pixels=16, offsets_mm=(0.0,))
    store.index["slice_thickness_mm"] = 1.0
    network = BoneNet(NetworkConfig(arch="resnet18", slices=3, pixels=16, size_mm=64.0, body_anterior_mm=8.0))
    standardise_from(network, CropDataset(store, ("train",)), linear_start=True)
    assert float(network.acquisition_std[1]) == 1.0
    assert network.shallow.weight[:, 5].tolist() == [0.0, 0.0]


def test_averaged_weights_by_hand() -> None:
    layer = nn.Linear(1, 1, bias=False)
    layer.weight.data.fill_(0.0)
    averaged = AveragedWeights(layer, decay=0.25)
    layer.weight.data.fill_(1.0)
    averaged.update()  # decay min(0.25, 2/11): 0 * 2/11 + 1 * 9/11
    assert float(averaged.shadow["weight"]) == pytest.approx(9 / 11)
    averaged.update()  # decay min(0.25, 3/12) = 0.25: 9/11 * 0.25 + 0.75
    assert float(averaged.shadow["weight"]) == pytest.approx(9 / 11 * 0.25 + 0.75)
    with averaged.in_place_of(layer):
        assert layer.weight.item() == pytest.approx(9 / 11 * 0.25 + 0.75)
        assert not layer.training
    assert layer.weight.item() == 1.0
    assert layer.training
