"""Axial planes of a volume on a coarse grid in patient coordinates, whatever way the volume is stored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, gaussian_filter

from components.ingest_dicom.volume import AIR_HU, Volume

IN_PLANE_MM = 2.0
BETWEEN_PLANES_MM = 4.0
NOISE_SIGMA_MM = 2.0


@dataclass(frozen=True, eq=False)
class BodyGrid:
    """hu (Z, Y, X) float32 with z to the head, y to the back, x to the patient's left; denoised.

    Attributes
    ----------
    origin_mm
        (3,) z, y, x of voxel (0, 0, 0), LPS mm.
    step_mm
        (3,) z, y, x step in mm.
    """

    hu: NDArray[np.float32]
    origin_mm: NDArray[np.float64]
    step_mm: NDArray[np.float64]

    def to_index(self, z_y_x_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """(..., 3) z, y, x in mm to fractional indices."""
        return (z_y_x_mm - self.origin_mm) / self.step_mm


def body_grid(volume: Volume) -> BodyGrid:
    """Resample linearly to 4 mm planes of 2 mm pixels (coarser where the volume is), then smooth in plane."""
    corners = np.array([[s, r, c] for s in (0, 1) for r in (0, 1) for c in (0, 1)]) * (
        np.array(volume.shape) - 1
    )
    lps = volume.index_to_lps(corners)
    low, high = lps.min(axis=0)[::-1], lps.max(axis=0)[::-1]
    step = np.array([BETWEEN_PLANES_MM, IN_PLANE_MM, IN_PLANE_MM])
    shape = tuple(int(n) for n in np.maximum(np.floor((high - low) / step), 0) + 1)
    inverse = np.linalg.inv(volume.affine[:3, :3])
    matrix = inverse[:, ::-1] * step  # grid index (z, y, x) -> volume index
    offset = inverse @ (low[::-1] - volume.affine[:3, 3])
    if np.allclose(matrix, np.diag(np.diag(matrix))):
        matrix = np.diag(matrix)  # a plain axial stack: scipy has a faster way for it
    hu = affine_transform(
        volume.hu,
        matrix,
        offset,
        output_shape=shape,
        output=np.float32,
        order=1,
        mode="constant",
        cval=AIR_HU,
    )
    sigma = NOISE_SIGMA_MM / IN_PLANE_MM
    return BodyGrid(gaussian_filter(hu, (0.5, sigma, sigma), truncate=3.0), low, step)
