"""Augmentation that keeps the meaning of HU: what another scan of the same vertebra could have shown.

Across the plane (the level's centre found a little to the left or right) it is whole stored slices that are
taken instead: `models.lateral_jitter`.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from models.train_params import AugmentationParams

_INT16_RANGE = (-32768, 32767)
_LARGEST_DEVIATION = 2.0  # standard deviations; scanners outside tolerance are not imitated


def augment(
    crops: Tensor, params: AugmentationParams, generator: torch.Generator, *, pixel_mm: float
) -> Tensor:
    """Randomly changed copies, computed where the crops are.

    Parameters
    ----------
    crops
        (N, C, H, W) int16 HU, on any device.
    generator
        Of the crops' device, or of the CPU; the result is a function of its state alone.
    pixel_mm
        Side of a pixel of the crops.

    Returns
    -------
    (N, C, H, W) int16 HU on the same device.
    """
    draw = _Draw(crops.shape[0], generator, crops.device)
    if params.mirror:
        crops = torch.where(draw.uniform() < 0.5, crops.flip(1), crops)
    most = [int(reach_mm / pixel_mm + 1e-6) for reach_mm in (params.shift_mm, params.centre_jitter_mm)]
    if any(most):
        crops = _shifted(crops, torch.stack([draw.whole(reach, 2) for reach in most]).sum(0))
    hu = crops.float()
    if params.rotation_deg:
        hu = _rotated(hu, (draw.uniform() * 2 - 1).flatten() * math.radians(params.rotation_deg))
    if params.blur_mm:
        hu = _blurred(hu, draw.uniform().flatten() * (params.blur_mm / pixel_mm), params.blur_mm / pixel_mm)
    if params.hu_scale:
        # soft tissue near 0 HU is where scanners agree; bone above it scales
        hu.addcmul_(hu.clamp(min=0), params.hu_scale * draw.deviation())
    if params.hu_offset:
        hu.add_(params.hu_offset * draw.deviation())
    if params.noise_hu:
        strength = params.noise_hu * draw.uniform()
        hu.addcmul_(draw.field(hu.shape), strength)
    return hu.round_().clamp_(*_INT16_RANGE).to(torch.int16)


class _Draw:
    """Random numbers for N crops, (N, 1, 1, 1) unless it says otherwise."""

    def __init__(self, count: int, generator: torch.Generator, device: torch.device) -> None:
        self.count, self.generator, self.device = count, generator, device

    def uniform(self) -> Tensor:
        drawn = torch.rand((self.count, 1, 1, 1), generator=self.generator, device=self.generator.device)
        return drawn.to(self.device)

    def deviation(self) -> Tensor:
        """Standard normal, never farther than two standard deviations."""
        return self.field((self.count, 1, 1, 1)).clamp(-_LARGEST_DEVIATION, _LARGEST_DEVIATION)

    def field(self, shape: tuple[int, ...]) -> Tensor:
        """Standard normal of any shape."""
        drawn = torch.randn(shape, generator=self.generator, device=self.generator.device)
        return drawn.to(self.device)

    def whole(self, most: int, rows: int) -> Tensor:
        """(rows, N) whole numbers from -most to most."""
        shape, device = (rows, self.count), self.generator.device
        return torch.randint(-most, most + 1, shape, generator=self.generator, device=device).to(self.device)


def _shifted(crops: Tensor, shifts: Tensor) -> Tensor:
    """Whole pixels (interpolation would blur the texture that TBS measures); the edge is repeated."""
    count, channels, height, width = crops.shape
    device = crops.device
    rows = (torch.arange(height, device=device) + shifts[0, :, None]).clamp(0, height - 1)
    columns = (torch.arange(width, device=device) + shifts[1, :, None]).clamp(0, width - 1)
    sample = torch.arange(count, device=device).view(-1, 1, 1, 1)
    channel = torch.arange(channels, device=device).view(1, -1, 1, 1)
    return crops[sample, channel, rows[:, None, :, None], columns[:, None, None, :]]


def _rotated(hu: Tensor, angle: Tensor) -> Tensor:
    """By `angle` (N,) radians about the crop's centre; bicubic, which takes less of the noise than bilinear."""
    cosine, sine, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    theta = torch.stack([cosine, -sine, zero, sine, cosine, zero], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(theta, list(hu.shape), align_corners=False)
    return F.grid_sample(hu, grid, mode="bicubic", padding_mode="border", align_corners=False)


def _blurred(hu: Tensor, sigma_px: Tensor, largest_px: float) -> Tensor:
    """A softer reconstruction kernel: in the plane, a Gaussian of `sigma_px` (N,); the edge is repeated."""
    count, channels, height, width = hu.shape
    reach = max(1, math.ceil(3 * largest_px))
    steps = torch.arange(-reach, reach + 1, device=hu.device)
    weights = torch.exp(-0.5 * (steps / sigma_px.clamp(min=1e-3)[:, None]) ** 2)
    weights = (weights / weights.sum(1, keepdim=True)).repeat_interleave(channels, 0)
    planes = F.pad(hu.reshape(1, count * channels, height, width), (reach,) * 4, mode="replicate")
    planes = F.conv2d(planes, weights[:, None, :, None], groups=count * channels)
    planes = F.conv2d(planes, weights[:, None, None, :], groups=count * channels)
    return planes.view(count, channels, height, width)
