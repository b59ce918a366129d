"""Cheap statistics of the image around the spine, one row a study, for drift."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from components.ingest_dicom.volume import Volume
from components.prepare_vertebrae.levels import VertebraLevel
from components.prepare_vertebrae.params import TrabecularRegion
from components.prepare_vertebrae.trabecular import trabecular_hu

STATISTICS: tuple[str, ...] = ("soft_tissue_peak_hu", "fat_peak_hu", "noise_hu", "trabecular_hu")

SOFT_TISSUE_HU = (-20, 120)
FAT_HU = (-160, -40)
REGION_MM = ((-80.0, 80.0), (-30.0, 80.0), (-20.0, 20.0))  # left, back, cranial of the centres' hull
SMOOTH_SD_MM = 2.5  # averages noise away; muscles and the fat behind them are wider
KERNEL_HU = 6.0  # kernel of the density estimate
MUSCLE_HALF_WIDTH_HU = 25.0
VOXELS_MIN = 500


def image_statistics(
    volume: Volume, levels: Sequence[VertebraLevel], region: TrabecularRegion
) -> dict[str, float]:
    """`STATISTICS` of one study; NaN where the image does not show enough of the tissue.

    - `soft_tissue_peak_hu`, `fat_peak_hu`: mode of the HU histogram around the spine, after smoothing,
      between -20 and 120 and between -160 and -40 HU. A mode moves by exactly what the calibration
      moves by and hardly with noise or with how much fat there is.
    - `noise_hu`: 1.4826 times the median absolute difference of muscle from its 3 x 3 neighbours' mean in
      the plane, corrected for the share of white noise that the mean keeps.
    - `trabecular_hu`: mean over the levels of the anterior trabecular region.
    """
    part = _around_spine(volume, levels)
    spacing_mm = np.array(volume.spacing_mm)
    values = part.astype(np.float32)
    smooth = ndimage.gaussian_filter(values, SMOOTH_SD_MM / spacing_mm)
    soft_peak_hu = _mode_hu(smooth, *SOFT_TISSUE_HU)
    return {
        "soft_tissue_peak_hu": soft_peak_hu,
        "fat_peak_hu": _mode_hu(smooth, *FAT_HU),
        "noise_hu": _noise_hu(values, smooth, soft_peak_hu, spacing_mm),
        "trabecular_hu": float(np.mean([trabecular_hu(volume, level, region) for level in levels])),
    }


def _around_spine(volume: Volume, levels: Sequence[VertebraLevel]) -> NDArray[np.int16]:
    """The voxels in a box around L1-L4, in the array's own axes."""
    centres = np.array([level.centre_lps_mm for level in levels])
    low, high = centres.min(axis=0), centres.max(axis=0)
    corners = [
        [low[0] + x if x < 0 else high[0] + x, low[1] + y if y < 0 else high[1] + y, z]
        for x in REGION_MM[0]
        for y in REGION_MM[1]
        for z in (low[2] + REGION_MM[2][0], high[2] + REGION_MM[2][1])
    ]
    index = volume.lps_to_index(np.array(corners))
    first = np.clip(np.floor(index.min(axis=0)).astype(int), 0, np.array(volume.shape) - 1)
    last = np.clip(np.ceil(index.max(axis=0)).astype(int) + 1, first + 1, volume.shape)
    return volume.hu[tuple(slice(a, b) for a, b in zip(first, last, strict=True))]


def _mode_hu(values: NDArray[np.float32], low: int, high: int) -> float:
    """Mode of a Gaussian kernel density between `low` and `high`, to a fraction of a HU; NaN when empty."""
    reach = int(4 * KERNEL_HU)
    first, last = low - reach, high + reach
    # even bins of 1 HU centred on whole numbers, named by count and range: an array of edges is slow
    counts, _ = np.histogram(values, bins=last - first + 1, range=(first - 0.5, last + 0.5))
    if counts[reach:-reach].sum() < VOXELS_MIN:
        return float("nan")
    density = ndimage.gaussian_filter1d(counts.astype(np.float64), KERNEL_HU, mode="constant")
    top = reach + int(np.argmax(density[reach:-reach]))
    before, at, after = density[top - 1 : top + 2]
    curvature = before - 2 * at + after
    fine = 0.5 * (before - after) / curvature if curvature < 0 else 0.0
    return float(first + top + np.clip(fine, -0.5, 0.5))


def _noise_hu(
    values: NDArray[np.float32],
    smooth: NDArray[np.float32],
    soft_peak_hu: float,
    spacing_mm: NDArray[np.float64],
) -> float:
    """Robust SD of the high-pass of muscle; the plane is that of the two finest axes."""
    if not np.isfinite(soft_peak_hu):
        return float("nan")
    muscle = np.abs(smooth - soft_peak_hu) < MUSCLE_HALF_WIDTH_HU
    if muscle.sum() < VOXELS_MIN:
        return float("nan")
    size = [3, 3, 3]
    size[int(np.argmax(spacing_mm))] = 1
    rest = (values - ndimage.uniform_filter(values, size))[muscle]
    kept = np.sqrt(1 - 1 / 9)  # of white noise, after subtracting the mean of 9 that it is part of
    return float(1.4826 * np.median(np.abs(rest - np.median(rest))) / kept)
