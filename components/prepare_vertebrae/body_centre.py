"""The vertebral body in a mask that may hold the whole vertebra: its centre, and whether the images cut it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from components.ingest_dicom.volume import Volume
from models.refusal import Code, refuse

OPENING_SHARE = 0.6  # of the largest inscribed radius: wider than a pedicle (4-5 mm), not than a body
RIVAL_SHARE = 0.5  # a second piece this large (of the first) means that one name covers two vertebrae
EDGE_MM = 0.05  # positions are written to 0.01 mm and rounded twice


@dataclass(frozen=True, eq=False)
class Body:
    """One vertebral body as a mask shows it.

    Attributes
    ----------
    centre_lps_mm
        (3,) centroid.
    surface_lps_mm
        (M, 3) centres of its outermost voxels.
    voxel_steps_mm
        (3, 3) columns: from one voxel of the mask to the next, LPS.
    volume_mm3
        Of the body alone.
    at_mask_end
        Whether it touches the first or last plane, row or column of the mask's array.
    """

    centre_lps_mm: NDArray[np.float64]
    surface_lps_mm: NDArray[np.float64]
    voxel_steps_mm: NDArray[np.float64]
    volume_mm3: float
    at_mask_end: bool

    def reaches_end_of(self, volume: Volume) -> bool:
        """Whether the outer faces of its voxels reach an outer face of the images: what lies beyond is unseen."""
        to_index = np.linalg.inv(volume.affine[:3, :3])
        half = 0.5 * np.abs(to_index @ self.voxel_steps_mm).sum(axis=1)
        margin = half + EDGE_MM / np.array(volume.spacing_mm)
        index = volume.lps_to_index(self.surface_lps_mm)
        ends = np.array(volume.shape) - 0.5
        return bool(np.any(index - margin <= -0.5) or np.any(index + margin >= ends))


def vertebral_body(mask: NDArray[np.bool_], affine: NDArray[np.float64], *, name: str, source: str) -> Body:
    """The body in a mask of a body or of a whole vertebra.

    Posterior elements pull the centroid of a whole vertebra backwards by 10 to 20 mm. The mask is therefore
    opened by a ball of 0.6 times the largest inscribed radius, which removes pedicles and processes and keeps
    the body, and the largest remaining piece is taken.

    Parameters
    ----------
    mask
        (A, B, C) bool, not empty.
    affine
        (4, 4) mapping array indices to LPS mm.

    Raises
    ------
    RefusedError
        LEVELS_AMBIGUOUS when the mask falls into two pieces of similar size.
    """
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    spacing_mm = np.linalg.norm(affine[:3, :3], axis=0)
    inner = np.pad(mask[box], 1)
    depth_mm = ndimage.distance_transform_edt(inner, sampling=spacing_mm)
    pieces, count = ndimage.label(inner)
    sizes = np.sort(ndimage.sum_labels(inner, pieces, np.arange(1, count + 1)))[::-1]
    if count > 1 and sizes[1] > RIVAL_SHARE * sizes[0]:
        raise refuse(Code.LEVELS_AMBIGUOUS, f"{source}: {name} covers two separate pieces of similar size")
    radius_mm = OPENING_SHARE * float(depth_mm.max())
    core = depth_mm > radius_mm
    cores, core_count = ndimage.label(core)
    if core_count > 1:
        core_sizes = ndimage.sum_labels(core, cores, np.arange(1, core_count + 1))
        core = cores == int(np.argmax(core_sizes)) + 1
    opened = inner & (ndimage.distance_transform_edt(~core, sampling=spacing_mm) <= radius_mm)
    start = np.array([part.start for part in box])
    centre = np.array(ndimage.center_of_mass(opened)) - 1 + start
    surface = np.argwhere(opened & ~ndimage.binary_erosion(opened)) - 1 + start
    at_end = bool(np.any(surface == 0) or np.any(surface == np.array(mask.shape) - 1))
    return Body(
        centre_lps_mm=affine[:3, :3] @ centre + affine[:3, 3],
        surface_lps_mm=surface @ affine[:3, :3].T + affine[:3, 3],
        voxel_steps_mm=affine[:3, :3],
        volume_mm3=float(opened.sum()) * abs(float(np.linalg.det(affine[:3, :3]))),
        at_mask_end=at_end,
    )
