"""CT noise with a ramp spectrum rolled off by the kernel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, rfft2, rfftfreq

FloatArray = NDArray[np.float64]
INDEPENDENT_PLANES = 16


def noise_planes(
    rng: np.random.Generator, count: int, matrix: int, pixel_mm: float, psf_sigma_mm: float
) -> FloatArray:
    """(count, matrix, matrix) noise of unit SD with spectrum |f| exp(-(2 pi f sigma)^2 / 2) in amplitude^2."""
    fy = np.abs(np.fft.fftfreq(matrix, pixel_mm))[:, None]
    fx = rfftfreq(matrix, pixel_mm)[None, :]
    f = np.sqrt(fx * fx + fy * fy)
    amplitude = np.sqrt(f + 0.03) * np.exp(-((2 * np.pi * f * psf_sigma_mm) ** 2) / 2.0)
    white = rng.standard_normal((count, matrix, matrix))
    planes = np.asarray(irfft2(rfft2(white) * amplitude, s=(matrix, matrix)))
    return planes / float(np.sqrt(np.mean(planes * planes)))


def add_noise(
    rng: np.random.Generator, volume: FloatArray, sd_hu: float, pixel_mm: float, psf_sigma_mm: float
) -> None:
    """Add noise to (S, H, W) HU in place.

    Each slice is a random rotation of two shifted planes out of a small independent set: as normal and as
    coloured as fresh noise, at a fraction of the cost; slices repeat one another only shifted.
    """
    slices, matrix = volume.shape[0], volume.shape[1]
    pool = noise_planes(rng, min(INDEPENDENT_PLANES, max(slices, 2)), matrix, pixel_mm, psf_sigma_mm) * sd_hu
    for s in range(slices):
        one, two = rng.choice(pool.shape[0], 2, replace=False).tolist()
        angle = float(rng.uniform(0.0, 2.0 * np.pi))
        for plane, weight in ((one, np.cos(angle)), (two, np.sin(angle))):
            dy, dx = rng.integers(0, matrix, 2).tolist()
            volume[s] += np.roll(pool[plane], (dy, dx), axis=(0, 1)) * weight
