"""Finding the spine without being told where it is: the canal is a soft hole in bone, plane after plane."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import (
    binary_closing,
    binary_fill_holes,
    center_of_mass,
    gaussian_filter,
    label,
    maximum_filter1d,
    median_filter,
)

from components.ingest_dicom.body_grid import BodyGrid

BONE_HU = 150.0
DENSE_BONE_HU = 250.0
# A lumbar canal is 15-30 mm wide and 12-25 mm deep; the ring that a threshold leaves is somewhat narrower.
CANAL_AREA_MM2 = (40.0, 520.0)
CANAL_HU = (-60.0, 110.0)
COLUMN_SIGMA_MM = 10.0
BODY_HU = -200.0
FROM_MIDLINE_MM = 50.0
WINDOW_MM = (70.0, 45.0)  # y, x: how far the column may bend away from where its bone adds up most
FROM_BODY_CENTRE_MM = 26.0  # a lumbar body is 30-36 mm deep, the canal begins behind it
PLANES_MIN = 4
LEVEL_PLANES = 7  # of 4 mm: most of the distance from arch to arch


def body_centres_from_canal(grid: BodyGrid) -> NDArray[np.float64]:
    """(P, 3) z, y, x in mm of points about the middle of the vertebral column, one per plane with a canal.

    Empty where no canal is seen in at least four planes. About 5 mm true: a place to search from, never to
    measure at.
    """
    centres = _canal_centres(grid)
    if len(centres) < PLANES_MIN:
        return np.empty((0, 3))
    track = np.array(centres)
    smooth = track.copy()
    smooth[:, 1:] = median_filter(track[:, 1:], size=(min(7, len(track)), 1), mode="nearest")
    near = np.abs(track[:, 1:] - smooth[:, 1:]).max(axis=1) < 8.0
    smooth = smooth[near]
    smooth[:, 1] -= FROM_BODY_CENTRE_MM
    return smooth if len(smooth) >= PLANES_MIN else np.empty((0, 3))


def _canal_centres(grid: BodyGrid) -> list[tuple[float, float, float]]:
    window = _column_window(grid)
    pixel_mm2 = float(grid.step_mm[1] * grid.step_mm[2])
    centres = []
    column = grid.hu[:, window[0], window[1]]
    # The brightest of neighbouring planes: arches close the ring between pedicles, endplates fill the body,
    # and only the canal is bone at no level.
    brightest = maximum_filter1d(column, LEVEL_PLANES, axis=0, mode="nearest")
    for index, (plane, bright) in enumerate(zip(column, brightest, strict=True)):
        bone = binary_closing(bright > BONE_HU, iterations=1)
        holes, count = label(binary_fill_holes(bone) & ~bone)
        canals = [hole for hole in range(1, count + 1) if _like_a_canal(plane[holes == hole], pixel_mm2)]
        if not canals:
            continue  # no closed ring here; the planes above and below carry the track
        # of two holes in the column the canal is the one behind: the other is the marrow of the body
        y_index, x_index = max(center_of_mass(holes == hole) for hole in canals)
        z, y, x = grid.origin_mm + grid.step_mm * (
            index,
            y_index + window[0].start,
            x_index + window[1].start,
        )
        centres.append((float(z), float(y), float(x)))
    return centres


def _like_a_canal(hole: NDArray[np.float32], pixel_mm2: float) -> bool:
    area_mm2, mean_hu = hole.size * pixel_mm2, float(hole.mean())
    return CANAL_AREA_MM2[0] <= area_mm2 <= CANAL_AREA_MM2[1] and CANAL_HU[0] <= mean_hu <= CANAL_HU[1]


def _column_window(grid: BodyGrid) -> tuple[slice, slice]:
    """Rows and columns around where dense bone near the midline adds up most over all planes.

    Near the midline only: arms beside the trunk and hips hold more dense bone than the spine.
    """
    mass = (grid.hu > BODY_HU).sum(axis=(0, 1)).cumsum()
    middle = int(np.searchsorted(mass, mass[-1] / 2))
    dense = (grid.hu > DENSE_BONE_HU).sum(axis=0).astype(np.float64)
    smooth = gaussian_filter(dense, COLUMN_SIGMA_MM / grid.step_mm[1])
    left = max(0, middle - round(FROM_MIDLINE_MM / grid.step_mm[2]))
    near = smooth[:, left : middle + round(FROM_MIDLINE_MM / grid.step_mm[2]) + 1]
    row, column = np.unravel_index(int(near.argmax()), near.shape)
    reach_y, reach_x = (round(reach / step) for reach, step in zip(WINDOW_MM, grid.step_mm[1:], strict=True))
    centre = left + int(column)
    return (
        slice(max(0, int(row) - reach_y), int(row) + reach_y + 1),
        slice(max(0, centre - reach_x), centre + reach_x + 1),
    )
