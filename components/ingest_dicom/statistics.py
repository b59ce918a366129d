"""Cheap HU statistics of a series, for plausibility and drift."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from components.ingest_dicom.volume import AIR_HU

BODY_HU_MIN = -500  # below is air, lung and bowel gas; above is body and table
# Soft tissue (muscle 50, organs 30-60, blood 40 HU) is looked for with room for a scanner that is wrong by 100 HU.
SOFT_TISSUE_WINDOW_HU = (-60, 180)
SOFT_TISSUE_SHARE_MIN = 0.1  # of the body: soft tissue is half of a trunk; fewer voxels there are its borders
FAT_TO_SOFT_TISSUE_MIN_HU = 120  # they are 130 to 180 apart; muscle and an enhanced liver are nearer
AIR_TO_BODY_HU = 600  # nothing in the body has peaks this far apart
SMOOTHING_HU = 6.0
BLOCK = 4  # pixels
LARGEST_HU = 4095  # what lies above counts as this
# A peak: so many voxels within so many HU of it, and half of its height above the valleys about it.
PEAK_HALF_WIDTH_HU = 50
PEAK_PROMINENCE = 0.5  # of its height
AIR_SHARE_MIN = 0.01  # of all voxels: the couch, air around a patient, gas in the bowel
TISSUE_SHARE_MIN = 0.15  # of the body


@dataclass(frozen=True)
class HuStatistics:
    """HU of the peaks of air, fat and soft tissue, and percentiles of what lies inside the body.

    NaN where there is no such peak or no body. Voxels of exactly -1024 are left out: they are padding, or air
    that was clipped.

    Attributes
    ----------
    hu_air_peak
        The lowest peak, where the body's lies far above it: air, gas, the couch's foam or lung. NaN where the
        field of view holds none of these.
    hu_fat_peak, hu_soft_tissue_peak
        The two largest peaks of the body. Where they are not told apart, no fat, and as soft tissue the highest
        peak where soft tissue may be, or, if hardly anything of the body lies there, the highest of all.
    """

    hu_air_peak: float = math.nan
    hu_fat_peak: float = math.nan
    hu_soft_tissue_peak: float = math.nan
    hu_p01: float = math.nan
    hu_p05: float = math.nan
    hu_p50: float = math.nan
    hu_p95: float = math.nan
    hu_p99: float = math.nan


def hu_statistics(slices: Iterable[NDArray[np.int16]]) -> HuStatistics:
    """Statistics of (H, W) int16 HU slices, from histograms of 1 HU bins.

    Peaks are looked for in means of 4 x 4 pixels: where single pixels are noisy, fat and muscle have one peak.
    """
    single = np.zeros(LARGEST_HU - AIR_HU + 1, dtype=np.int64)
    calm = single.copy()
    for hu in slices:
        single += _histogram(hu, len(single))
        calm += _histogram(_block_means(hu), len(single))
    body = np.cumsum(single[BODY_HU_MIN - AIR_HU :])
    share = [_percentile(body, percent) for percent in (1, 5, 50, 95, 99)]
    calm[0] = 0
    smooth = gaussian_filter1d(calm.astype(np.float64), SMOOTHING_HU)
    return HuStatistics(_air_peak(calm, smooth), *_body_peaks(calm, smooth), *share)


def _histogram(hu: NDArray[np.int16], bins: int) -> NDArray[np.int64]:
    return np.bincount((hu.ravel().astype(np.int32) - AIR_HU).clip(0, bins - 1), minlength=bins)


def _block_means(hu: NDArray[np.int16]) -> NDArray[np.int16]:
    rows, columns = (size // BLOCK for size in hu.shape)
    whole = hu[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)
    return np.rint(whole.mean(axis=(1, 3))).astype(np.int16)


def sample_indices(count: int, wanted: int) -> NDArray[np.intp]:
    """Indices of at most `wanted` of `count` slices, evenly spread, first and last left out when possible."""
    if count <= wanted:
        return np.arange(count)
    return np.linspace(0, count - 1, wanted + 2)[1:-1].round().astype(np.intp)


def _air_peak(counts: NDArray[np.int64], smooth: NDArray[np.float64]) -> float:
    peaks_hu, near = _peaks(counts, smooth)
    peaks_hu = peaks_hu[near >= AIR_SHARE_MIN * counts.sum()]
    if not peaks_hu.size or peaks_hu[-1] - peaks_hu[0] < AIR_TO_BODY_HU:
        return math.nan
    return float(peaks_hu[0])


def _body_peaks(counts: NDArray[np.int64], smooth: NDArray[np.float64]) -> tuple[float, float]:
    """HU of fat and of soft tissue."""
    body = counts[BODY_HU_MIN - AIR_HU :].sum()
    peaks_hu, near = _peaks(counts, smooth)
    main = peaks_hu[(peaks_hu > BODY_HU_MIN) & (near >= TISSUE_SHARE_MIN * body)]
    pairs = [
        (near[np.isin(peaks_hu, pair)].sum(), *map(float, pair))
        for pair in combinations(main, 2)
        if pair[1] - pair[0] >= FAT_TO_SOFT_TISSUE_MIN_HU
    ]
    if pairs:
        _, fat, soft = max(pairs)
        return fat, soft
    low, high = (hu - AIR_HU for hu in SOFT_TISSUE_WINDOW_HU)
    inside = find_peaks(smooth[low : high + 1])[0] + low
    if counts[low : high + 1].sum() < SOFT_TISSUE_SHARE_MIN * body:
        inside = find_peaks(smooth[BODY_HU_MIN - AIR_HU :])[0] + BODY_HU_MIN - AIR_HU
    return math.nan, float(AIR_HU + inside[smooth[inside].argmax()]) if inside.size else math.nan


def _peaks(
    counts: NDArray[np.int64], smooth: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """HU of the histogram's peaks, upwards, and the voxels near each."""
    padded = np.pad(smooth, 1)  # a peak may lie at either end
    peaks, facts = find_peaks(padded, prominence=0.0)
    peaks = peaks[facts["prominences"] >= PEAK_PROMINENCE * padded[peaks]] - 1
    below = np.concatenate([[0], np.cumsum(counts)])
    upper = np.minimum(peaks + PEAK_HALF_WIDTH_HU + 1, len(counts))
    return peaks + AIR_HU, below[upper] - below[np.maximum(peaks - PEAK_HALF_WIDTH_HU, 0)]


def _percentile(cumulative: NDArray[np.int64], percent: float) -> float:
    if cumulative.size == 0 or cumulative[-1] == 0:
        return math.nan
    return float(BODY_HU_MIN + np.searchsorted(cumulative, cumulative[-1] * percent / 100))
