"""Filling the network's standardisation buffers, and its linear start, from the train split."""

from __future__ import annotations

import torch
from torch import Tensor

from models.dataset import CropDataset
from models.network import BoneNet

_RIDGE = 10.0  # per standardised feature, against the number of vertebrae


@torch.no_grad()
def standardise_from(network: BoneNet, train: CropDataset, *, linear_start: bool) -> None:
    """Set mean and standard deviation of labels, acquisition and intensity features from `train`.

    A feature that is the same everywhere gets a standard deviation of 1, so that it stays 0 in training and
    a deviating value seen later is not blown up.

    Parameters
    ----------
    linear_start
        Also set the linear part of the head to the ridge regression of the standardised labels on the
        intensity features, so that training starts from where a regression on HU would end. Acquisition
        starts at 0: with few patients its chance correlation with the labels does harm.
    """
    labels, acquisition = torch.from_numpy(train.labels), torch.from_numpy(train.acquisition)
    _set(network.label_mean, network.label_std, labels)
    _set(network.acquisition_mean, network.acquisition_std, acquisition)
    intensity = torch.cat(
        [
            network.intensity(network.normalised_hu(network.in_view(b.crops), b.acquisition))
            for b in train.in_order(64)
        ]
    )
    _set(network.intensity_mean, network.intensity_std, intensity)
    if not linear_start:
        return
    features = ((intensity - network.intensity_mean) / network.intensity_std).double()
    targets = ((labels - network.label_mean) / network.label_std).double()
    gram = features.T @ features + _RIDGE * torch.eye(features.shape[1], dtype=torch.float64)
    weights = torch.linalg.solve(gram, features.T @ targets).T.float()
    network.shallow.weight[:, : weights.shape[1]].copy_(weights)


def _set(mean: Tensor, std: Tensor, values: Tensor) -> None:
    spread = values.double().std(dim=0, correction=0)
    mean.copy_(values.double().mean(dim=0))
    std.copy_(torch.where(spread > 1e-6, spread, torch.ones_like(spread)))
