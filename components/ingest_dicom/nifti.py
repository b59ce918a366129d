"""Reading a NIfTI file as a volume: nibabel's RAS+ affine turned to DICOM LPS."""

from __future__ import annotations

import math
import warnings
import zlib
from pathlib import Path

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from components.ingest_dicom.elements import VALUE_ERRORS
from components.ingest_dicom.volume import AIR_HU, Volume
from models.errors import InputError

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
SPACING_MM = (0.05, 50.0)
WHOLE_TOLERANCE = 1e-3
HU_MAX = np.iinfo(np.int16).max
# Stored values, HU and a mask in memory: 512 x 512 x 760 of 16 bits. A header may ask for anything.
BYTES_MAX = 1000 * 1000**2


class NiftiError(InputError):
    """A NIfTI file cannot be used as a CT volume."""


def read_nifti(path: Path, *, whole_numbers: bool = False) -> Volume:
    """A 3-D NIfTI in HU as a volume.

    Axes are reordered (never resampled) so that the slice axis is the one nearest to head-feet, the row
    axis nearest to anterior-posterior and the column axis nearest to left-right; their directions stay as
    they are, the affine says which. HU below -1024 become -1024.

    Parameters
    ----------
    whole_numbers
        The file is a label map: values between whole numbers are refused, not rounded.

    Raises
    ------
    NiftiError
        When the file is missing, damaged, not 3-D, without a usable affine, or holds non-finite values.
    """
    data, (slope, intercept), affine, coded = _load(path)
    if not coded:
        raise NiftiError(f"{path}: neither qform nor sform is set; orientation is unknown and never guessed")
    while data.ndim > 3 and data.shape[-1] == 1:
        data = data[..., 0]
    if data.ndim != 3 or 0 in data.shape:
        raise NiftiError(f"{path}: found shape {data.shape}; one 3-D volume is accepted")
    if not np.issubdtype(data.dtype, np.number) or np.issubdtype(data.dtype, np.complexfloating):
        raise NiftiError(f"{path}: found values of type {data.dtype}; numbers (HU) are accepted")
    if not np.isfinite(affine).all():
        raise NiftiError(f"{path}: the affine holds values that are not finite")
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if spacing.min() < SPACING_MM[0] or spacing.max() > SPACING_MM[1]:
        raise NiftiError(
            f"{path}: voxel size {spacing.round(3)} mm; {SPACING_MM[0]}-{SPACING_MM[1]} mm is accepted"
        )
    if abs(np.linalg.det(affine[:3, :3] / spacing)) < 0.5:
        raise NiftiError(f"{path}: the axes of the affine are not at right angles")
    order = _slice_row_column(affine)
    hu = np.empty([data.shape[axis] for axis in order], dtype=np.int16)
    odd = between = 0
    with np.errstate(over="ignore", invalid="ignore"):
        for slab, stored in zip(
            hu, data.transpose(order), strict=True
        ):  # one at a time: scaled, they are floats
            values = stored if (slope, intercept) == (1, 0) else stored * np.float64(slope) + intercept
            whole = np.rint(values)
            if np.issubdtype(values.dtype, np.floating):
                odd += int((~np.isfinite(values)).sum())
                between += int((np.abs(values - whole) > WHOLE_TOLERANCE).sum())
            slab[:] = np.clip(whole, AIR_HU, HU_MAX)
    if odd:
        raise NiftiError(f"{path}: {odd} voxels are not finite; HU are accepted")
    if whole_numbers and between:
        raise NiftiError(
            f"{path}: {between} voxels lie between whole numbers; a label map that was not interpolated is accepted"
        )
    matrix = np.eye(4)
    matrix[:, :3] = affine[:, list(order)]
    matrix[:, 3] = affine[:, 3]
    return Volume(hu=hu, affine=RAS_TO_LPS @ matrix)


def _load(path: Path) -> tuple[NDArray[np.generic], tuple[float, float], NDArray[np.float64], bool]:
    """Stored values, their slope and intercept, RAS affine, and whether the header declares any orientation."""
    if not path.is_file():
        raise NiftiError(f"{path}: no such file; a .nii or .nii.gz is accepted")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = nibabel.load(path)
            if not isinstance(image, nibabel.nifti1.Nifti1Pair):
                raise ImageFileError(f"found {type(image).__name__}")
            stored = image.dataobj
            needed = math.prod(stored.shape) * (stored.dtype.itemsize + 3)
            if needed > BYTES_MAX:
                raise ImageFileError(
                    f"found shape {stored.shape}, at most {BYTES_MAX // 10**6} MB of voxels are read"
                )
            data = stored.get_unscaled()
    except (ImageFileError, HeaderDataError, OSError, EOFError, zlib.error, *VALUE_ERRORS) as error:
        reason = " ".join(str(error).split())
        raise NiftiError(
            f"{path}: damaged or not NIfTI ({reason}); a whole .nii or .nii.gz is accepted"
        ) from error
    header = image.header
    coded = bool(header["qform_code"] or header["sform_code"])
    return data, (stored.slope, stored.inter), np.asarray(image.affine, dtype=np.float64), coded


def _slice_row_column(affine: NDArray[np.float64]) -> tuple[int, int, int]:
    """Which voxel axis lies nearest to z, y, x (an assignment: each axis once)."""
    cosines = np.abs(affine[:3, :3]) / np.linalg.norm(affine[:3, :3], axis=0)
    order = [-1, -1, -1]
    for _ in range(3):
        world, axis = np.unravel_index(int(cosines.argmax()), cosines.shape)
        order[2 - int(world)] = int(axis)
        cosines[world, :] = -1.0
        cosines[:, axis] = -1.0
    return order[0], order[1], order[2]
