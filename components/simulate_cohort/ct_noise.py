"""CT noise with a ramp spectrum rolled off by the kernel."""

from __future__ import annotations

from collections.abc import Iterator

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


def noise_slices(
    rng: np.random.Generator, slices: int, matrix: int, sd_hu: float, pixel_mm: float, psf_sigma_mm: float
) -> Iterator[FloatArray]:
    """Noise (matrix, matrix) of one slice after the other; the array is used anew for the next.

    Each slice is a random rotation of two shifted planes out of a small independent set: as normal and as
    coloured as fresh noise, at a fraction of the cost; slices repeat one another only shifted.
    """
    pool = noise_planes(rng, min(INDEPENDENT_PLANES, max(slices, 2)), matrix, pixel_mm, psf_sigma_mm) * sd_hu
    out = np.empty((matrix, matrix))
    for _ in range(slices):
        one, two = rng.choice(pool.shape[0], 2, replace=False).tolist()
        angle = float(rng.uniform(0.0, 2.0 * np.pi))
        out.fill(0.0)
        for plane, weight in ((one, float(np.cos(angle))), (two, float(np.sin(angle)))):
            dy, dx = rng.integers(0, matrix, 2).tolist()
            _add_shifted(out, pool[plane], dy, dx, weight)
        yield out


def _add_shifted(out: FloatArray, plane: FloatArray, dy: int, dx: int, weight: float) -> None:
    """Add a plane rolled by (dy, dx), in four blocks."""
    for to_y, from_y in (
        (slice(dy, None), slice(0, out.shape[0] - dy)),
        (slice(0, dy), slice(-dy or None, None)),
    ):
        if dy == 0 and to_y.stop == 0:
            continue
        for to_x, from_x in (
            (slice(dx, None), slice(0, out.shape[1] - dx)),
            (slice(0, dx), slice(-dx or None, None)),
        ):
            if dx == 0 and to_x.stop == 0:
                continue
            out[to_y, to_x] += weight * plane[from_y, from_x]
