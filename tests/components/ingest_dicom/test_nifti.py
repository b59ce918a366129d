"""NIfTI in any axis order and direction gives the same HU at the same LPS point."""

from __future__ import annotations

import itertools
from pathlib import Path

import nibabel
import numpy as np
import pytest

from components.ingest_dicom.nifti import NiftiError, read_nifti


def _write(path: Path, data: np.ndarray, affine: np.ndarray) -> Path:
    nibabel.save(nibabel.Nifti1Image(data, affine), path)
    return path


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, -1), (-1, -1, 1)])
def test_any_axis_order_and_direction(tmp_path: Path, order: tuple[int, ...], flips: tuple[int, ...]) -> None:
    body = np.random.default_rng(1).integers(-1000, 1500, (4, 5, 6)).astype(np.int16)  # RAS x, y, z; 2 mm
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    stored, matrix = body, affine.copy()
    for axis, flip in enumerate(flips):
        if flip < 0:
            stored = np.flip(stored, axis)
            matrix[:, 3] += matrix[:, axis] * (body.shape[axis] - 1)
            matrix[:, axis] *= -1
    stored = stored.transpose(order)
    matrix[:, :3] = matrix[:, list(order)]
    volume = read_nifti(_write(tmp_path / "v.nii.gz", stored, matrix))
    x, y, z = np.meshgrid(*(np.arange(n) for n in body.shape), indexing="ij")
    lps = np.stack([-2.0 * x, -2.0 * y, 2.0 * z], axis=-1)  # RAS to LPS: x and y change sign
    index = np.rint(volume.lps_to_index(lps)).astype(int)
    np.testing.assert_array_equal(volume.hu[index[..., 0], index[..., 1], index[..., 2]], body)
    assert volume.shape == (6, 5, 4)  # slices along z, rows along y, columns along x


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (np.zeros((4, 4, 4, 2), np.int16), "3-D"),
        (np.full((4, 4, 4), np.nan, np.float32), "not finite"),
    ],
)
def test_what_is_no_ct_volume_is_refused(tmp_path: Path, data: np.ndarray, line: str) -> None:
    with pytest.raises(NiftiError, match=line):
        read_nifti(_write(tmp_path / "v.nii.gz", data, np.diag([2.0, 2.0, 2.0, 1.0])))


def test_a_file_without_orientation_is_refused(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.zeros((4, 4, 4), np.int16), None)
    image.header["qform_code"] = image.header["sform_code"] = 0
    nibabel.save(image, tmp_path / "v.nii")
    with pytest.raises(NiftiError, match="never guessed"):
        read_nifti(tmp_path / "v.nii")


def test_damaged_and_missing_files_are_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 999, (20, 20, 20)).astype(np.int16)
    path = _write(tmp_path / "v.nii.gz", noise, np.eye(4))
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(NiftiError, match="damaged"):
        read_nifti(path)
    path.write_text("text")
    with pytest.raises(NiftiError, match="damaged"):
        read_nifti(path)
    with pytest.raises(NiftiError, match="no such file"):
        read_nifti(tmp_path / "nowhere.nii")
