"""A few global intensity features of a crop, computed inside the network's graph.

With some sixty patients a ResNet trained from scratch spends its steps on finding that brighter bone is
denser bone. These numbers say so at once; the ResNet learns what they do not tell. They are not a second
model: they enter the same linear head as the pooled features and are trained with it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FEATURES: tuple[str, ...] = ("core_hu", "body_hu", "dense_share_hu", "core_roughness")

_CORE_SIGMA_MM = 5.0  # inside the trabecular body, clear of the cortex
_BODY_SIGMA_MM = 11.0  # about the whole body with its shell
_DENSE_FROM_HU = 150.0
_WIDEST_HU = (-200.0, 1500.0)  # air, padding and metal outside this do not move the means


class IntensityFeatures(nn.Module):
    """(N, C, H, W) float32 HU to (N, 4): `FEATURES`.

    `core_hu`, `body_hu`: Gaussian-weighted mean HU about the body's centre (sigma 5 and 11 mm).
    `dense_share_hu`: mean over the crop of the HU above 150, a measure of all mineral in view.
    `core_roughness`: log of the Gaussian-weighted root mean square of HU minus its 3 x 3 mean.

    Parameters
    ----------
    pixels, size_mm
        H = W, and the side of the crop in mm.
    body_anterior_mm
        How far in front of the crop's centre the vertebral body's centre lies.
    """

    core: Tensor
    body: Tensor

    def __init__(self, pixels: int, size_mm: float, body_anterior_mm: float) -> None:
        super().__init__()
        down = (torch.arange(pixels, dtype=torch.float32) - (pixels - 1) / 2) * (size_mm / pixels)
        back = down + body_anterior_mm
        self.register_buffer("core", _weights(down, back, _CORE_SIGMA_MM))
        self.register_buffer("body", _weights(down, back, _BODY_SIGMA_MM))

    def forward(self, hu: Tensor) -> Tensor:
        middle = hu.clamp(*_WIDEST_HU)
        core = (middle * self.core).sum((2, 3)).mean(1)
        body = (middle * self.body).sum((2, 3)).mean(1)
        dense = (middle - _DENSE_FROM_HU).clamp(min=0.0).mean((1, 2, 3))
        smooth = F.avg_pool2d(middle, 3, stride=1, padding=1, count_include_pad=False)
        rough = ((middle - smooth).square() * self.core).sum((2, 3)).mean(1)
        return torch.stack([core, body, dense, torch.log(rough + 1.0) / 2], dim=1)


def _weights(down_mm: Tensor, back_mm: Tensor, sigma_mm: float) -> Tensor:
    rows, columns = (torch.exp(-0.5 * (line / sigma_mm) ** 2) for line in (down_mm, back_mm))
    plane = rows[:, None] * columns[None, :]
    return (plane / plane.sum()).view(1, 1, *plane.shape)
