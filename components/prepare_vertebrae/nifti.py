"""NIfTI files as arrays with an LPS affine."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from models.errors import InputError

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


class NiftiError(InputError):
    """A NIfTI file cannot be used: unreadable, not three-dimensional, or without a place in the patient."""


def read_nifti(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Array (A, B, C) of a 3-D NIfTI file and its (4, 4) affine to LPS mm.

    Raises
    ------
    NiftiError
        Unreadable or truncated file, another number of dimensions, no orientation (neither qform nor sform),
        or a singular affine.
    """
    try:
        image = nibabel.load(path)
        values = np.asarray(image.dataobj, dtype=np.float32)
    except (OSError, EOFError, ValueError, ImageFileError) as error:
        reason = " ".join(str(error).split()).replace(str(path), path.name)
        raise NiftiError(
            f"{path.name}: not a readable NIfTI file ({reason}); accepted: .nii, .nii.gz"
        ) from error
    if values.ndim == 4 and values.shape[3] == 1:
        values = values[..., 0]
    if values.ndim != 3:
        raise NiftiError(f"{path.name}: {values.ndim} dimensions; accepted: one 3-D volume")
    header = image.header
    if int(header["qform_code"]) == 0 and int(header["sform_code"]) == 0:
        raise NiftiError(
            f"{path.name}: neither qform nor sform says how the patient lies; accepted: one of them"
        )
    affine = RAS_TO_LPS @ np.asarray(image.affine, dtype=np.float64)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-6:
        raise NiftiError(f"{path.name}: its affine is singular; accepted: a 3-D orientation")
    return values, affine
