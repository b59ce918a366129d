"""NIfTI in any axis order and direction gives the same HU at the same LPS point."""

from __future__ import annotations

import gzip
import itertools
import resource
import struct
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


@pytest.mark.parametrize(("slope", "intercept"), [(1, 0), (1, -1024), (0.5, 3.25)])
@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.float32, np.float64])
def test_scaled_values_are_nibabels(tmp_path: Path, kind: type, slope: float, intercept: float) -> None:
    stored = np.random.default_rng(2).integers(0, 250, (5, 6, 7)).astype(kind)
    image = nibabel.Nifti1Image(stored, np.diag([-1.0, -1.0, 2.0, 1.0]))
    image.header.set_slope_inter(slope, intercept)
    image.header.set_data_dtype(kind)
    path = tmp_path / "a.nii.gz"
    raw = bytearray(image.to_bytes())
    struct.pack_into("<2f", raw, 112, slope, intercept)  # nibabel writes scales of its own choice
    path.write_bytes(gzip.compress(bytes(raw)))
    expected = np.clip(np.rint(nibabel.load(path).get_fdata()), -1024, 32767).transpose(2, 1, 0)
    np.testing.assert_array_equal(read_nifti(path).hu, expected)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_header_that_asks_for_more_than_any_scan_is_refused_unread(tmp_path: Path, name: str) -> None:
    """1.6 GB of voxels: in a kilobyte, and behind a header that zeros by the gigabyte may follow."""
    raw = bytearray(nibabel.Nifti1Image(np.zeros((4, 4, 4), np.int16), np.eye(4)).to_bytes())
    struct.pack_into("<8h", raw, 40, 3, 1024, 1024, 800, 1, 1, 1, 1)
    path = tmp_path / name
    path.write_bytes(gzip.compress(bytes(raw)) if name.endswith(".gz") else bytes(raw))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(NiftiError, match=r"at most 1000 MB") as caught:
        read_nifti(path)
    assert "\n" not in str(caught.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB
