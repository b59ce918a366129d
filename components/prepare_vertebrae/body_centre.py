"""The centre of a vertebral body in a mask that may hold the whole vertebra."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models.refusal import Code, refuse

OPENING_SHARE = 0.6  # of the largest inscribed radius: wider than a pedicle (4-5 mm), not than a body
RIVAL_SHARE = 0.5  # a second piece this large (of the first) means that one name covers two vertebrae


def body_centre_lps_mm(
    mask: NDArray[np.bool_], affine: NDArray[np.float64], *, name: str, source: str
) -> NDArray[np.float64]:
    """Centre (3,) LPS mm of the body in a mask of a body or of a whole vertebra.

    Posterior elements pull the centroid of a whole vertebra backwards by 10 to 20 mm. The mask is therefore
    opened by a ball of 0.6 times the largest inscribed radius, which removes pedicles and processes and keeps
    the body, and the centroid of the largest remaining piece is taken.

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
    centre = np.array(ndimage.center_of_mass(opened)) - 1 + np.array([part.start for part in box])
    return affine[:3, :3] @ centre + affine[:3, 3]
