"""Preparation on real scans: body centres, trabecular HU and crops that do not depend on storage order."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from scipy import ndimage

from components.ingest_dicom.nifti import read_nifti
from components.ingest_dicom.read_volume import read_volume
from components.ingest_dicom.scan import scan_folder
from components.ingest_dicom.volume import Volume
from components.prepare_vertebrae.crops import extract_crops
from components.prepare_vertebrae.level_file import read_levels
from components.prepare_vertebrae.params import PrepareParams
from components.prepare_vertebrae.trabecular import trabecular_hu
from models.params import load_section

pytestmark = pytest.mark.real_ct
ROOT = Path(__file__).resolve().parents[2]
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
RealData = Callable[[str], Path]


@pytest.fixture(scope="module")
def params() -> PrepareParams:
    return load_section(ROOT / "params.yaml", "prepare", PrepareParams)


def test_body_centres_of_whole_vertebra_labels_agree_with_the_body_mask(
    real_data: RealData, params: PrepareParams
) -> None:
    folder = real_data("totalseg_ct_lumbar_labelled")
    image = nibabel.load(folder / "totalseg.nii.gz")
    labels, bodies = (
        np.asarray(nibabel.load(folder / name).dataobj)
        for name in ("totalseg.nii.gz", "totalseg_vertebrae_body.nii.gz")
    )
    affine = RAS_TO_LPS @ image.affine
    levels = read_levels(folder / "totalseg.nii.gz", params.levels, scheme="totalseg")
    for level, value in zip(levels, (31, 30, 29, 28), strict=True):
        voxels = ndimage.center_of_mass((labels == value) & (bodies == 1))
        # within half a voxel of 3 mm; the centroid of the whole vertebra lies 9 to 10 mm behind
        away_mm = level.centre_lps_mm - (affine[:3, :3] @ voxels + affine[:3, 3])
        assert np.abs(away_mm).max() < 1.5


def test_trabecular_hu_lies_near_the_report_of_another_program(
    real_data: RealData, params: PrepareParams
) -> None:
    folder = real_data("totalseg_ct_lumbar_labelled")
    report = json.loads((folder / "spine_report.json").read_text())["results"]
    volume = read_nifti(folder / "example_ct.nii.gz")
    for level in read_levels(folder / "totalseg.nii.gz", params.levels, scheme="totalseg"):
        if level.name == "L1":
            continue  # a sclerotic focus fills part of the region
        median = report[f"vertebrae_{level.name}_intensity_median"]
        assert trabecular_hu(volume, level, params.trabecular) == pytest.approx(median, abs=12)


def test_a_reversed_and_permuted_real_scan_gives_the_same_crops(
    real_data: RealData, params: PrepareParams
) -> None:
    folder = real_data("ge_discovery_ls_lumbar")
    (series,) = scan_folder(folder / "dicom").series
    volume = read_volume(series)
    hu = np.ascontiguousarray(volume.hu.transpose(2, 0, 1)[::-1, ::-1])
    affine = volume.affine.copy()
    affine[:, :3] = volume.affine[:, [2, 0, 1]]
    for axis in (0, 1):
        affine[:3, 3] += affine[:3, axis] * (hu.shape[axis] - 1)
        affine[:3, axis] *= -1
    other = Volume(hu, affine)
    for level in read_levels(folder / "levels.csv", params.levels):
        crops = [
            extract_crops(
                image, level, params.geometry, (0.0, -6.0, 6.0),
                coverage_tolerance_mm=params.coverage_tolerance_mm,
            )
            for image in (volume, other)
        ]  # fmt: skip
        assert np.abs(crops[0].astype(int) - crops[1]).max() <= 1
        # a woman of 49 at 140 kVp: published L1 HU of 45 to 54 years are about 160 +- 40
        assert 100 < trabecular_hu(volume, level, params.trabecular) < 240
