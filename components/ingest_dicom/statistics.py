"""Cheap HU statistics of a series, for plausibility and drift."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from components.ingest_dicom.volume import AIR_HU

BODY_HU_MIN = -500  # below is air, lung and bowel gas; above is body and table
# Air noise around -1000 HU reaches to about -850; soft tissue (muscle 50, organs 30-60, blood 40 HU) is looked
# for with room for a scanner that is wrong by 100 HU.
AIR_WINDOW_HU = (-1023, -850)
SOFT_TISSUE_WINDOW_HU = (-60, 180)
SMOOTHING_HU = 6.0
SHARE_MIN = 0.002  # of all voxels; fewer are no peak


@dataclass(frozen=True)
class HuStatistics:
    """HU of the air peak, of the soft-tissue peak, and percentiles of what lies inside the body.

    NaN where there is no such peak or no body. Voxels of exactly -1024 are left out of the air peak: they are
    padding as often as air.
    """

    hu_air_peak: float = math.nan
    hu_soft_tissue_peak: float = math.nan
    hu_p01: float = math.nan
    hu_p05: float = math.nan
    hu_p50: float = math.nan
    hu_p95: float = math.nan
    hu_p99: float = math.nan


def hu_statistics(hu: NDArray[np.int16]) -> HuStatistics:
    """Statistics of (S, H, W) int16 HU, from one histogram of 1 HU bins."""
    if hu.size == 0:
        return HuStatistics()
    counts = np.bincount((hu.ravel().astype(np.int32) - AIR_HU).clip(0))
    counts = np.pad(counts, (0, max(0, SOFT_TISSUE_WINDOW_HU[1] + 100 - AIR_HU - counts.size)))
    body = np.cumsum(counts[BODY_HU_MIN - AIR_HU :])
    share = [_percentile(body, percent) for percent in (1, 5, 50, 95, 99)]
    return HuStatistics(
        _peak(counts, *AIR_WINDOW_HU, share_min=SHARE_MIN),
        _peak(counts, *SOFT_TISSUE_WINDOW_HU, share_min=SHARE_MIN),
        *share,
    )


def sample_indices(count: int, wanted: int) -> NDArray[np.intp]:
    """Indices of at most `wanted` of `count` slices, evenly spread, first and last left out when possible."""
    if count <= wanted:
        return np.arange(count)
    return np.linspace(0, count - 1, wanted + 2)[1:-1].round().astype(np.intp)


def _peak(counts: NDArray[np.int64], low_hu: int, high_hu: int, *, share_min: float) -> float:
    """HU of the highest local maximum of the smoothed histogram inside a window; NaN for none."""
    counts = counts.astype(np.float64)
    counts[0] = 0.0
    smooth = gaussian_filter1d(counts, SMOOTHING_HU)
    window = slice(low_hu - AIR_HU, high_hu - AIR_HU + 1)
    if counts[window].sum() < share_min * max(counts.sum(), 1.0):
        return math.nan
    peaks, _ = find_peaks(smooth[window])
    if not peaks.size:
        return math.nan
    return float(low_hu + peaks[smooth[window][peaks].argmax()])


def _percentile(cumulative: NDArray[np.int64], percent: float) -> float:
    if cumulative.size == 0 or cumulative[-1] == 0:
        return math.nan
    return float(BODY_HU_MIN + np.searchsorted(cumulative, cumulative[-1] * percent / 100))
