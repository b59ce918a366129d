"""Axial planes painted with soft-edged shapes on a coarse grid, then brought to the pixels of the image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
CANVAS_PIXEL_MM = 1.15  # soft tissue has no finer detail than this; edges are as soft as a CT's


@dataclass
class Canvas:
    """One plane being painted.

    Attributes
    ----------
    x_mm, y_mm
        (1, W) and (H, 1) places relative to the spine's centreline (x left, y posterior).
    hu
        (H, W).
    """

    x_mm: FloatArray
    y_mm: FloatArray
    hu: FloatArray

    def ellipse(
        self, centre: tuple[float, float], radii: tuple[float, float], hu: float | FloatArray
    ) -> None:
        """Paint an ellipse with soft edges, touching only the pixels around it."""
        margin = CANVAS_PIXEL_MM
        x, y = self.x_mm[0], self.y_mm[:, 0]
        left, right = np.searchsorted(
            x, (centre[0] - radii[0] - margin, centre[0] + radii[0] + margin)
        ).tolist()
        low, high = np.searchsorted(
            y, (centre[1] - radii[1] - margin, centre[1] + radii[1] + margin)
        ).tolist()
        if left >= right or low >= high:
            return
        window = np.s_[low:high, left:right]
        p, q = (x[left:right] - centre[0]) / radii[0], (y[low:high, None] - centre[1]) / radii[1]
        share = np.sqrt(p * p + q * q)
        share *= -min(radii) / (1.2 * CANVAS_PIXEL_MM)
        share += min(radii) / (1.2 * CANVAS_PIXEL_MM) + 0.5
        np.clip(share, 0.0, 1.0, out=share)
        value = hu[window] if isinstance(hu, np.ndarray) else hu
        part = self.hu[window]
        part += share * (value - part)

    def outlined(
        self,
        centre: tuple[float, float],
        radii: tuple[float, float],
        hu: float | FloatArray,
        rim_hu: float,
        rim_mm: float = 1.3,
    ) -> None:
        """An ellipse inside a thin rim of another tissue (a fascia's fat, a wall)."""
        self.ellipse(centre, (radii[0] + rim_mm, radii[1] + rim_mm), rim_hu)
        self.ellipse(centre, radii, hu)


def canvas_places_mm(pixels_mm: FloatArray) -> FloatArray:
    """Ascending canvas places that span the ascending pixel centres."""
    extent = float(pixels_mm[-1] - pixels_mm[0])
    count = max(int(np.ceil(extent / CANVAS_PIXEL_MM)) + 1, 2)
    return np.linspace(pixels_mm[0], pixels_mm[-1], count)


def to_pixels(planes: FloatArray, places_mm: FloatArray, pixels_mm: FloatArray, axis: int) -> FloatArray:
    """Linear interpolation of (K, h, w) along rows (axis 1) or columns (axis 2) to the pixel centres."""
    step = float(places_mm[1] - places_mm[0])
    position = np.clip((pixels_mm - places_mm[0]) / step, 0.0, places_mm.size - 1.0)
    if axis == 1:
        lower = np.minimum(position.astype(np.int64), places_mm.size - 2)
        share = (position - lower)[:, None]
        out = np.empty((planes.shape[0], pixels_mm.size, planes.shape[2]))
        for plane, target in zip(planes, out, strict=True):
            np.multiply(plane[lower], 1.0 - share, out=target)
            target += plane[lower + 1] * share
        return out
    weights = np.maximum(0.0, 1.0 - np.abs(position[:, None] - np.arange(places_mm.size)[None, :]))
    flat = planes.reshape(-1, planes.shape[2]) @ weights.T
    return np.asarray(flat.reshape(*planes.shape[:2], pixels_mm.size))
