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


def voxel_average(length_mm: float, voxel_mm: float) -> tuple[float, float]:
    """Correlation length and variance share along one axis after averaging a Gaussian field over voxels."""
    averaged = float(np.sqrt(length_mm**2 + voxel_mm**2 / 6.0))
    return averaged, length_mm / averaged


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
    upright = length * _between(c.TEXTURE_ANISOTROPY, quality)
    flat_mm, flat_share = voxel_average(length, voxel_mm)
    tall_mm, tall_share = voxel_average(upright, voxel_mm)
    sigma = np.array([tall_mm, flat_mm, flat_mm]) / voxel_mm / np.sqrt(2.0)
    field = gaussian_filter(rng.standard_normal(shape), sigma, mode="wrap", truncate=3.0)
    field *= 1.0 / float(np.sqrt(np.mean(field * field)))
    amplitude = _between(c.TEXTURE_AMPLITUDE, quality) * float(np.sqrt(140.0 / vbmd_mg_cc))
    sd = amplitude * flat_share * float(np.sqrt(tall_share))
    log_sd = float(np.sqrt(np.log1p(sd**2)))
    field *= log_sd
    field += regional(rng, shape, voxel_mm, _between(c.REGIONAL_SD, quality))
    factor = np.exp(field)
    return factor / float(factor.mean())


def regional(
    rng: np.random.Generator, shape: tuple[int, int, int], voxel_mm: float, sd: float
) -> FloatArray:
    """A smooth Gaussian field (Z, Y, X) of this SD, drawn coarsely and interpolated linearly."""
    coarse = tuple(max(int(np.ceil(n * voxel_mm / c.REGIONAL_LENGTH_MM)) + 1, 2) for n in shape)
    return upsample(rng.standard_normal(coarse) * sd, shape)
