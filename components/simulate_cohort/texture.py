"""Trabecular texture: a mean-preserving lognormal random field that coarsens with poor structure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from components.simulate_cohort import constants as c
from components.simulate_cohort.sampling import upsample

FloatArray = NDArray[np.float64]


def _between(good_poor: tuple[float, float], quality: float) -> float:
    good, poor = good_poor
    return poor + (good - poor) * quality


def trabecular_factor(
    rng: np.random.Generator, shape: tuple[int, int, int], voxel_mm: float, quality: float, vbmd_mg_cc: float
) -> FloatArray:
    """Factor (Z, Y, X) with mean 1: fine texture times regional variation.

    Parameters
    ----------
    quality
        0 poor to 1 good microarchitecture.
    """
    length = _between(c.TEXTURE_LENGTH_MM, quality)
    sigma = np.array([length * _between(c.TEXTURE_ANISOTROPY, quality), length, length]) / voxel_mm
    field = gaussian_filter(rng.standard_normal(shape), sigma, mode="wrap", truncate=3.0)
    field *= 1.0 / float(np.sqrt(np.mean(field * field)))
    sd = _between(c.TEXTURE_AMPLITUDE, quality) * (140.0 / vbmd_mg_cc) ** c.TEXTURE_VBMD_EXPONENT
    sd = min(sd, c.TEXTURE_MAX_SD)
    log_sd = float(np.sqrt(np.log1p(sd**2)))
    field *= log_sd
    field += regional(rng, shape, voxel_mm, _between(c.REGIONAL_SD, quality))
    factor = np.exp(field)
    return factor / float(factor.mean())


def regional(rng: np.random.Generator, shape: tuple[int, int, int], voxel_mm: float, sd: float) -> FloatArray:
    """A smooth Gaussian field (Z, Y, X) of this SD, drawn coarsely and interpolated linearly."""
    coarse = tuple(max(int(np.ceil(n * voxel_mm / c.REGIONAL_LENGTH_MM)) + 1, 2) for n in shape)
    return upsample(rng.standard_normal(coarse) * sd, shape)
