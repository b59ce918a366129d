"""Augmentation that keeps the meaning of HU: what another scan of the same vertebra could have shown."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from models.train_params import AugmentationParams

_INT16_RANGE = (-32768, 32767)


def augment(crops: Tensor, params: AugmentationParams, generator: torch.Generator) -> Tensor:
    """Randomly changed copies.

    Parameters
    ----------
    crops
        (N, C, H, W) int16 HU, on any device.
    generator
        CPU generator; the result is a function of its state alone.

    Returns
    -------
    (N, C, H, W) int16 HU on the same device.
    """
    count, device = crops.shape[0], crops.device
    if params.mirror:
        mirrored = torch.rand(count, generator=generator) < 0.5
        crops = torch.where(mirrored.view(-1, 1, 1, 1).to(device), crops.flip(1), crops)
    if params.shift_px:
        crops = _shifted(crops, params.shift_px, generator)
    hu = crops.float()
    if params.rotation_deg:
        hu = _rotated(hu, params.rotation_deg, generator)
    if params.hu_scale:
        # soft tissue near 0 HU is where scanners agree; bone above it scales
        factor = 1 + params.hu_scale * _normal(count, generator, device)
        hu = torch.where(hu > 0, hu * factor, hu)
    if params.hu_offset:
        hu = hu + params.hu_offset * _normal(count, generator, device)
    if params.noise_hu:
        sigma = params.noise_hu * torch.rand((count, 1, 1, 1), generator=generator)
        hu = hu + (sigma * torch.randn(hu.shape, generator=generator)).to(device)
    return hu.round().clamp(*_INT16_RANGE).to(torch.int16)


def _normal(count: int, generator: torch.Generator, device: torch.device) -> Tensor:
    return torch.randn((count, 1, 1, 1), generator=generator).to(device)


def _shifted(crops: Tensor, most: int, generator: torch.Generator) -> Tensor:
    count, channels, height, width = crops.shape
    shifts = torch.randint(-most, most + 1, (2, count), generator=generator)
    rows = (torch.arange(height) + shifts[0, :, None]).clamp(0, height - 1).to(crops.device)
    columns = (torch.arange(width) + shifts[1, :, None]).clamp(0, width - 1).to(crops.device)
    sample = torch.arange(count, device=crops.device).view(-1, 1, 1, 1)
    channel = torch.arange(channels, device=crops.device).view(1, -1, 1, 1)
    return crops[sample, channel, rows[:, None, :, None], columns[:, None, None, :]]


def _rotated(hu: Tensor, most_deg: float, generator: torch.Generator) -> Tensor:
    angle = (torch.rand(hu.shape[0], generator=generator) * 2 - 1) * math.radians(most_deg)
    cosine, sine, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    theta = torch.stack([cosine, -sine, zero, sine, cosine, zero], dim=1).view(-1, 2, 3).to(hu.device)
    grid = F.affine_grid(theta, list(hu.shape), align_corners=False)
    return F.grid_sample(hu, grid, mode="bilinear", padding_mode="border", align_corners=False)
