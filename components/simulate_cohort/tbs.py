"""Trabecular bone score of a DXA image: initial slope of its log-log experimental variogram."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.stats import trim_mean

from components.simulate_cohort import constants as c
from components.simulate_cohort.dxa import DxaScan
from models.levels import LEVELS

FloatArray = NDArray[np.float64]


def variogram(image: FloatArray, region: NDArray[np.bool_], step: tuple[int, int]) -> float:
    """Robust variogram of pixel pairs `step` (rows, columns) apart that both lie in the region.

    The fourth power of the mean root of absolute differences (Cressie and Hawkins 1980, Math Geol 12:115, without
    its constant), the mean taken between the quartiles: pairs across the edge of a facet or a pedicle, which are
    anatomy and differ by level, must not drown the texture.
    """
    dz, dx = step
    height, width = image.shape
    near, far = np.s_[: height - dz, : width - dx], np.s_[dz:, dx:]
    both = region[near] & region[far]
    if not both.any():
        return float("nan")
    root = np.sqrt(np.abs(image[far][both] - image[near][both]))
    return float(trim_mean(root, 0.25)) ** 4


def variogram_slope(image: FloatArray, region: NDArray[np.bool_]) -> float:
    """Slope of log variogram against log lag over `constants.TBS_LAGS_MM`, both directions averaged."""
    lags = np.array(c.TBS_LAGS_MM, dtype=np.float64)
    values = []
    for lag in c.TBS_LAGS_MM:
        rows = variogram(image, region, (round(lag / c.DXA_PIXEL_Z_MM), 0))
        columns = variogram(image, region, (0, round(lag / c.DXA_PIXEL_X_MM)))
        values.append((rows + columns) / 2)
    x, y = np.log(lags), np.log(np.array(values))
    x = x - x.mean()
    return float((x * (y - y.mean())).sum() / (x * x).sum())


def raw_slopes(scan: DxaScan) -> dict[str, float]:
    """Variogram slope per level, before the affine map to the usual scale.

    The smooth background (the shadow of pedicles and processes, mostly) is taken off first, as trend removal
    before an experimental variogram is usual in geostatistics.
    """
    trend = (c.TBS_TREND_MM / c.DXA_PIXEL_Z_MM, c.TBS_TREND_MM / c.DXA_PIXEL_X_MM)
    image = scan.areal_g_cm2 - gaussian_filter(scan.areal_g_cm2, trend)
    return {level: variogram_slope(image, scan.bodies[level]) for level in LEVELS}


def tbs_from_slope(slope: float) -> float:
    """The usual scale: one affine pair for every level, device and patient."""
    return c.TBS_OFFSET + c.TBS_SLOPE * slope


def tbs(scan: DxaScan) -> dict[str, float]:
    """TBS per level on the usual scale; the total of an exam is their mean."""
    return {level: tbs_from_slope(slope) for level, slope in raw_slopes(scan).items()}
