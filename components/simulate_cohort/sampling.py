"""Area-exact resampling of a voxel axis: voxels are boxes, seen through a blur and an aperture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

FloatArray = NDArray[np.float64]


def _blurred_ramp(x: FloatArray, sigma: float) -> FloatArray:
    """Antiderivative of the normal distribution function of width sigma."""
    z = x / sigma
    return x * ndtr(z) + sigma * np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)


def sampling_weights(
    source_mm: FloatArray, voxel_mm: float, target_mm: FloatArray, *, sigma_mm: float, width_mm: float = 0.0
) -> FloatArray:
    """Weights (T, S) that carry voxel values to targets along one axis.

    Parameters
    ----------
    source_mm, voxel_mm
        (S,) voxel centres and their size.
    target_mm
        (T,) places of the samples.
    sigma_mm
        Gaussian blur; `width_mm` the width of a rectangular aperture on top of it (0: a point).
    """
    low = source_mm[None, :] - voxel_mm / 2 - target_mm[:, None]
    high = low + voxel_mm
    if width_mm == 0.0:
        return np.asarray(ndtr(high / sigma_mm) - ndtr(low / sigma_mm))
    half = width_mm / 2
    upper = _blurred_ramp(high + half, sigma_mm) - _blurred_ramp(high - half, sigma_mm)
    lower = _blurred_ramp(low + half, sigma_mm) - _blurred_ramp(low - half, sigma_mm)
    return (upper - lower) / width_mm


def touched(source_mm: FloatArray, target_mm: FloatArray, margin_mm: float) -> slice:
    """The run of ascending targets within `margin_mm` of the sources."""
    first = int(np.searchsorted(target_mm, source_mm[0] - margin_mm))
    last = int(np.searchsorted(target_mm, source_mm[-1] + margin_mm))
    return slice(first, last)


def upsample(coarse: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Linear interpolation of a coarse grid onto `shape`, end points kept, one axis after the other.

    The last axis goes first: the largest product then comes out contiguous, and is not copied again.
    """
    out = coarse
    for axis in reversed(range(len(shape))):
        knots, size = out.shape[axis], shape[axis]
        place = np.linspace(0.0, knots - 1.0, size)
        weights = np.maximum(0.0, 1.0 - np.abs(place[:, None] - np.arange(knots)[None, :]))
        out = np.moveaxis(np.tensordot(weights, out, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(out)
