"""Sagittal crops of one vertebra in its own axes; the same code for training and serving."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from components.ingest_dicom.volume import Volume
from components.prepare_vertebrae.levels import VertebraLevel
from models.crop_store import CropGeometry
from models.refusal import Code, refuse

AIR_HU = -1024  # padding outside of the reconstruction circle (-2000, -3024) is no tissue
OVERSAMPLING_MAX = 8


def crop_centre_lps_mm(level: VertebraLevel, centre_shift_mm: float) -> NDArray[np.float64]:
    """Centre (3,) LPS mm of the crop: the body centre moved backwards along the vertebra's own axis."""
    return level.centre_lps_mm + centre_shift_mm * level.axes[1]


def extract_crops(
    volume: Volume,
    level: VertebraLevel,
    geometry: CropGeometry,
    lateral_offsets_mm: Sequence[float],
    *,
    coverage_tolerance_mm: float,
) -> NDArray[np.int16]:
    """Crops (K, C, H, W) int16 HU at K lateral offsets (mm, + to the patient's left).

    C sagittal slices from right to left of the patient, H superior to inferior, W anterior to posterior.
    Each value is the mean over its own cell (`size_mm / pixels` in the plane, `slice_spacing_mm` across) of
    the linearly interpolated volume, sampled at least as densely as the source: a source finer than the
    target is averaged, not aliased, and a coarser one is interpolated, once.

    Raises
    ------
    RefusedError
        VERTEBRA_CUT when the body is not whole in the images; LEVELS_NOT_IN_VIEW when a crop reaches beyond the
        volume by more than the tolerance.
    """
    if level.cut:
        raise refuse(Code.VERTEBRA_CUT, level.cut)
    pixel_mm = geometry.size_mm / geometry.pixels
    left, back, cranial = level.axes
    centre = crop_centre_lps_mm(level, geometry.centre_shift_mm)
    beyond_mm = _reach_beyond_mm(volume, centre, level, geometry, lateral_offsets_mm)
    if beyond_mm > coverage_tolerance_mm:
        raise refuse(
            Code.LEVELS_NOT_IN_VIEW,
            f"{level.name}: its {geometry.size_mm:g} mm crop reaches {beyond_mm:.1f} mm beyond the images",
        )
    across = _cells(
        geometry.slices, geometry.slice_spacing_mm, _density(volume, left, geometry.slice_spacing_mm)
    )
    down = _cells(geometry.pixels, pixel_mm, _density(volume, cranial, pixel_mm))
    along = _cells(geometry.pixels, pixel_mm, _density(volume, back, pixel_mm))
    crops = np.empty(
        (len(lateral_offsets_mm), geometry.slices, geometry.pixels, geometry.pixels), dtype=np.int16
    )
    for number, offset_mm in enumerate(lateral_offsets_mm):
        points = (
            (centre + offset_mm * left)
            + across.reshape(-1)[:, None, None, None] * left
            - down.reshape(-1)[None, :, None, None] * cranial
            + along.reshape(-1)[None, None, :, None] * back
        )
        values = sample_hu(volume, points)
        cells = values.reshape(*across.shape, *down.shape, *along.shape).mean(axis=(1, 3, 5))
        crops[number] = np.rint(cells).astype(np.int16)
    return crops


def sample_hu(volume: Volume, points_lps_mm: NDArray[np.float64]) -> NDArray[np.float32]:
    """HU at points (..., 3) LPS mm by linear interpolation; the outermost values go on beyond the edge."""
    index = volume.lps_to_index(points_lps_mm)
    flat = index.reshape(-1, 3)
    low = np.maximum(np.floor(flat.min(axis=0)).astype(int), 0)
    high = np.minimum(np.ceil(flat.max(axis=0)).astype(int) + 1, volume.hu.shape)
    low = np.minimum(low, high - 1)
    part = volume.hu[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    part = np.maximum(part, AIR_HU).astype(np.float32)
    values = ndimage.map_coordinates(part, (flat - low).T, order=1, mode="nearest", output=np.float32)
    return values.reshape(index.shape[:-1])


def _cells(count: int, step_mm: float, density: int) -> NDArray[np.float64]:
    """Sample positions (count, density) in mm: `count` cells around 0, each with `density` even samples."""
    centres = (np.arange(count) - (count - 1) / 2) * step_mm
    inside = ((np.arange(density) + 0.5) / density - 0.5) * step_mm
    return centres[:, None] + inside


def _density(volume: Volume, direction: NDArray[np.float64], step_mm: float) -> int:
    """Samples a cell needs along a direction so that no source voxel is stepped over."""
    voxels = np.abs(np.linalg.inv(volume.affine)[:3, :3] @ direction).max() * step_mm
    return int(np.clip(np.ceil(voxels - 0.01), 1, OVERSAMPLING_MAX))


def _reach_beyond_mm(
    volume: Volume,
    centre: NDArray[np.float64],
    level: VertebraLevel,
    geometry: CropGeometry,
    lateral_offsets_mm: Sequence[float],
) -> float:
    """How far (mm) the farthest corner of the crops lies beyond the outer faces of the volume."""
    half_mm = geometry.size_mm / 2
    half_across_mm = (geometry.slices - 1) / 2 * geometry.slice_spacing_mm
    corners = [
        centre + lateral * level.axes[0] + back * level.axes[1] + up * level.axes[2]
        for lateral in (min(lateral_offsets_mm) - half_across_mm, max(lateral_offsets_mm) + half_across_mm)
        for back in (-half_mm, half_mm)
        for up in (-half_mm, half_mm)
    ]
    index = volume.lps_to_index(np.array(corners))
    beyond = np.maximum(-0.5 - index, index - (np.array(volume.hu.shape) - 0.5))
    return float((beyond * np.array(volume.spacing_mm)).max())
