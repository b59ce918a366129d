"""A CT volume in HU with its place in the patient; what every later step reads voxels from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

AIR_HU = -1024


@dataclass(frozen=True, eq=False)
class Volume:
    """One CT volume.

    Attributes
    ----------
    hu
        (S, H, W) int16 HU, axes (slice, row, column); never below -1024 (padding and what lies
        outside the field of view are -1024).
    affine
        (4, 4) float64, maps (slice, row, column, 1) to patient coordinates, DICOM LPS in mm
        (x to the patient's left, y to the back, z to the head; DICOM PS3.3 C.7.6.2.1.1).
    """

    hu: NDArray[np.int16]
    affine: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.hu.ndim != 3 or self.hu.dtype != np.int16:
            raise ValueError(f"hu must be (S, H, W) int16, found {self.hu.shape} {self.hu.dtype}")
        if self.affine.shape != (4, 4):
            raise ValueError(f"affine must be (4, 4), found {self.affine.shape}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(S, H, W)."""
        slices, rows, columns = self.hu.shape
        return slices, rows, columns

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance of neighbouring voxels in mm along (slice, row, column) axes."""
        slice_mm, row_mm, column_mm = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(slice_mm), float(row_mm), float(column_mm)

    def index_to_lps(self, index: ArrayLike) -> NDArray[np.float64]:
        """(..., 3) (slice, row, column) indices to (..., 3) LPS mm."""
        return np.asarray(index, dtype=np.float64) @ self.affine[:3, :3].T + self.affine[:3, 3]

    def lps_to_index(self, lps_mm: ArrayLike) -> NDArray[np.float64]:
        """(..., 3) LPS mm to (..., 3) fractional (slice, row, column) indices."""
        offset = np.asarray(lps_mm, dtype=np.float64) - self.affine[:3, 3]
        return offset @ np.linalg.inv(self.affine[:3, :3]).T

    def contains(self, lps_mm: ArrayLike) -> NDArray[np.bool_]:
        """(...,) whether points (..., 3) in LPS mm lie inside the outermost voxel centres."""
        index = self.lps_to_index(lps_mm)
        inside = (index >= -1e-6) & (index <= np.array(self.shape) - 1 + 1e-6)
        return np.asarray(inside.all(axis=-1))
