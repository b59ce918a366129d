"""Is the aorta enhanced? The HU of its lumen, read from the image.

Why: many enhanced series declare contrast nowhere. Native blood is 30-60 HU; after contrast medium the aorta
is above 120 HU in every phase in which trabecular HU are raised enough to matter.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve, map_coordinates

from components.ingest_dicom.body_grid import BodyGrid, body_grid
from components.ingest_dicom.spinal_canal import body_centres_from_canal
from components.ingest_dicom.statistics import sample_indices
from components.ingest_dicom.volume import Volume

# Where the aorta runs, from the centre of a vertebral body: in front of it, in the middle or to the left.
# Reaches: left-right (patient's left is positive), front-back (front is negative), in mm.
REACH_X_MM, REACH_Y_MM = (-10.0, 34.0), (-58.0, -18.0)
STEP_MM = 2.0
RADII_MM = (6.0, 8.0, 10.0)  # the aorta at L1-L3 is 15-25 mm wide; the largest disc that fits inside wins
RING_MM = (2.5, 5.5)  # outside the disc: wall and what surrounds it
LUMEN_HU = (0.0, 700.0)
SPREAD_HU_MAX = 22.0  # native lumen after smoothing; grows with enhancement (pulsation, mixing)
SPREAD_SHARE_MAX = 0.12
DARKER_HU = 25.0  # retroperitoneal fat beside native blood: about 130 HU darker
DARKER_SHARE_MIN = 0.40
PLANES_MIN = 3
PLANES_MAX = 24  # enough for a median; more only cost time
BEST_SHARE = 0.34
# A scanned body is at most as long as a table; a grid over what is larger would be of broken numbers.
EXTENT_MM_MAX = 3000.0


def aortic_lumen_hu(volume: Volume, centres_lps_mm: NDArray[np.float64] | None = None) -> float:
    """Median HU of the aortic lumen in front of the lumbar spine, NaN when none was found.

    In every axial plane the best round, even disc with darker surroundings in front of the spine is taken;
    the answer is the median over the third of the planes where it is most distinct.

    Parameters
    ----------
    centres_lps_mm
        (N, 3) centres of vertebral bodies (L1-L4), LPS mm; without them the spine is looked for.
    """
    if min(volume.shape) < 2 or not _body_sized(volume):
        return math.nan
    grid = body_grid(volume)
    if centres_lps_mm is None:
        track = body_centres_from_canal(grid)
    else:
        track = _between(np.asarray(centres_lps_mm, dtype=np.float64)[:, ::-1], grid)
    track = track[sample_indices(len(track), PLANES_MAX)]
    found = [item for centre in track if (item := _best_disc(grid, centre)) is not None]
    if len(found) < PLANES_MIN:
        return math.nan
    found.sort(reverse=True)
    kept = found[: max(PLANES_MIN, math.ceil(BEST_SHARE * len(found)))]
    return float(np.median([hu for _, hu in kept]))


def _body_sized(volume: Volume) -> bool:
    extents = np.array(volume.spacing_mm) * volume.shape
    return bool(np.isfinite(volume.affine).all() and extents.max() <= EXTENT_MM_MAX)


def _between(centres: NDArray[np.float64], grid: BodyGrid) -> NDArray[np.float64]:
    """Centres (N, 3) z, y, x interpolated to every plane from the lowest to the highest of them."""
    centres = centres[np.argsort(centres[:, 0])]
    planes = grid.origin_mm[0] + grid.step_mm[0] * np.arange(grid.hu.shape[0])
    z = planes[(planes >= centres[0, 0] - 10.0) & (planes <= centres[-1, 0] + 10.0)]
    y, x = (np.interp(z, centres[:, 0], centres[:, axis]) for axis in (1, 2))
    return np.stack([z, y, x], axis=1)


def _best_disc(grid: BodyGrid, centre: NDArray[np.float64]) -> tuple[float, float] | None:
    """(distinctness, HU) of the best disc in the plane of a body centre; None when none is round and even."""
    patch = _patch(grid, centre)
    square = patch * patch
    best: tuple[float, float] | None = None
    for radius in RADII_MM:
        disc, ring = _disc(radius), _ring(radius)
        mean = convolve(patch, disc, mode="constant", cval=-1000.0)
        spread = np.sqrt(np.maximum(convolve(square, disc, mode="constant", cval=1e6) - mean * mean, 0.0))
        allowed = np.maximum(SPREAD_HU_MAX, SPREAD_SHARE_MAX * mean)
        inner = np.zeros_like(mean, dtype=bool)
        edge = math.ceil((radius + RING_MM[1]) / STEP_MM)
        inner[edge:-edge, edge:-edge] = True
        good = inner & (spread <= allowed) & (mean >= LUMEN_HU[0]) & (mean <= LUMEN_HU[1])
        rows, columns = np.nonzero(good)
        if rows.size == 0:
            continue
        offsets = np.argwhere(ring) - edge
        around = patch[rows[:, None] + offsets[:, 0], columns[:, None] + offsets[:, 1]]
        hu = mean[rows, columns]
        darker = (around < hu[:, None] - DARKER_HU).mean(axis=1)
        score = darker + 0.03 * radius - 0.3 * spread[rows, columns] / allowed[rows, columns]
        score[darker < DARKER_SHARE_MIN] = -math.inf
        top = int(score.argmax())
        if math.isfinite(score[top]) and (best is None or score[top] > best[0]):
            best = float(score[top]), float(hu[top])
    return best


def _patch(grid: BodyGrid, centre: NDArray[np.float64]) -> NDArray[np.float64]:
    """The plane around the aorta's place, 2 mm pixels, mean of three neighbouring planes; (Y, X) HU."""
    margin = RADII_MM[-1] + RING_MM[1] + STEP_MM
    y = centre[1] + np.arange(REACH_Y_MM[0] - margin, REACH_Y_MM[1] + margin, STEP_MM)
    x = centre[2] + np.arange(REACH_X_MM[0] - margin, REACH_X_MM[1] + margin, STEP_MM)
    planes = centre[0] + grid.step_mm[0] * np.array([-1.0, 0.0, 1.0])
    points = np.stack(np.meshgrid(planes, y, x, indexing="ij"), axis=-1)
    index = np.moveaxis(grid.to_index(points), -1, 0)
    return np.asarray(map_coordinates(grid.hu, index, order=1, mode="nearest").mean(axis=0), dtype=np.float64)


def _distance(radius: float) -> NDArray[np.float64]:
    edge = math.ceil((radius + RING_MM[1]) / STEP_MM)
    steps = STEP_MM * np.arange(-edge, edge + 1)
    return np.asarray(np.hypot(steps[:, None], steps[None, :]))


def _disc(radius: float) -> NDArray[np.float64]:
    inside = _distance(radius) <= radius
    return inside / inside.sum()


def _ring(radius: float) -> NDArray[np.bool_]:
    distance = _distance(radius)
    return (distance >= radius + RING_MM[0]) & (distance <= radius + RING_MM[1])
