"""Metal and bone cement in or at a vertebra, by what no bone reaches: their HU."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label as connected

from components.ingest_dicom.volume import Volume
from components.prepare_vertebrae.crops import sample_hu
from components.prepare_vertebrae.levels import VertebraLevel

STEP_MM = 1.0
# In the vertebra's own axes, mm from the body's centre: body, pedicles, laminae and what is screwed to them;
# not so high that a neighbour's screw is met (bodies are 25-28 mm high, their centres 33-40 mm apart).
WHOLE_X_MM, WHOLE_Y_MM, WHOLE_Z_MM = (-28.0, 28.0), (-20.0, 45.0), (-12.0, 12.0)
# Inside the body, its walls and endplates and the calcified aorta in front of it left out: half axes of an
# elliptic cylinder (bodies are 41-48 mm wide and 31-34 mm deep, Panjabi 1992).
BODY_X_MM, BODY_Y_MM, BODY_Z_MM = 18.0, 13.0, 9.0


def metal_mm3(volume: Volume, level: VertebraLevel, metal_hu: float) -> float:
    """Volume (mm3) of the largest connected piece above `metal_hu` in or at the vertebra."""
    x, y, z = (np.arange(low, high + 1e-6, STEP_MM) for low, high in (WHOLE_X_MM, WHOLE_Y_MM, WHOLE_Z_MM))
    hu = _sampled(volume, level, x, y, z)
    return _largest_mm3(hu > metal_hu)


def cement_mm3(volume: Volume, level: VertebraLevel, cement_hu: float) -> float:
    """Volume (mm3) of the largest connected piece above `cement_hu` between the walls of the body."""
    x, y, z = (np.arange(-half, half + 1e-6, STEP_MM) for half in (BODY_X_MM, BODY_Y_MM, BODY_Z_MM))
    inside = (x[:, None] / BODY_X_MM) ** 2 + (y[None, :] / BODY_Y_MM) ** 2 <= 1.0
    hu = _sampled(volume, level, x, y, z)
    return _largest_mm3((hu > cement_hu) & inside[:, :, None])


def _sampled(
    volume: Volume,
    level: VertebraLevel,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    z: NDArray[np.float64],
) -> NDArray[np.float32]:
    offsets = np.stack(np.meshgrid(x, y, z, indexing="ij"), axis=-1)
    return sample_hu(volume, level.centre_lps_mm + offsets @ level.axes)


def _largest_mm3(mask: NDArray[np.bool_]) -> float:
    pieces, count = connected(mask)
    return float(np.bincount(pieces.ravel())[1:].max()) * STEP_MM**3 if count else 0.0
