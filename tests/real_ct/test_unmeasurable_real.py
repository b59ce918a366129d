"""The image rules on every real case: what each holds, and that nothing is called that is not there."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from components.ingest_dicom.aorta import aortic_lumen_hu
from components.ingest_dicom.nifti import read_nifti
from components.ingest_dicom.read_volume import read_volume
from components.ingest_dicom.scan import scan_folder
from components.ingest_dicom.volume import Volume
from components.prepare_vertebrae.body_centre import vertebral_body
from components.prepare_vertebrae.level_file import read_levels
from components.prepare_vertebrae.levels import VertebraLevel
from components.prepare_vertebrae.params import PrepareParams
from components.prepare_vertebrae.unmeasurable import (
    level_evidence,
    refused_levels,
    refused_spine,
    unread_heights,
)
from components.validate_dicom.params import ValidateParams
from models.params import load_section

pytestmark = pytest.mark.real_ct
Real = Callable[[str], Path]
PARAMS = Path(__file__).resolve().parents[2] / "params.yaml"


@pytest.fixture(scope="module")
def prepare() -> PrepareParams:
    return load_section(PARAMS, "prepare", PrepareParams)


@pytest.fixture(scope="module")
def lumen_hu_max() -> float:
    return load_section(PARAMS, "validate", ValidateParams).contrast_aorta_hu_max


def _nothing_called(
    volume: Volume, levels: tuple[VertebraLevel, ...], prepare: PrepareParams
) -> dict[str, float]:
    """Height loss by level, after nothing was refused."""
    rules = prepare.unmeasurable
    evidence = level_evidence(volume, levels, rules)
    assert refused_levels(evidence, rules) == {}
    assert refused_spine(levels, rules) == []
    assert all(shown.metal_mm3 == shown.cement_mm3 == 0 for shown in evidence.values())
    assert unread_heights(evidence, evidence) == []  # real endplates fall by 40 HU and more
    return {name: shown.height_loss for name, shown in evidence.items()}


def test_the_ge_patient_has_no_contrast_metal_or_fracture(
    real_data: Real, prepare: PrepareParams, lumen_hu_max: float
) -> None:
    folder = real_data("ge_discovery_ls_lumbar")
    volume = read_volume(scan_folder(folder / "dicom").series[0])
    _nothing_called(volume, read_levels(folder / "levels.csv", prepare.levels), prepare)
    assert aortic_lumen_hu(volume) < lumen_hu_max


def test_the_label_map_patient_has_a_mild_wedge_of_l1_and_no_contrast_or_metal(
    real_data: Real, prepare: PrepareParams, lumen_hu_max: float
) -> None:
    folder = real_data("totalseg_ct_lumbar_labelled")
    volume = read_nifti(folder / "example_ct.nii.gz")
    losses = _nothing_called(
        volume, read_levels(folder / "totalseg.nii.gz", prepare.levels, scheme="totalseg"), prepare
    )
    assert aortic_lumen_hu(volume) < lumen_hu_max
    # TotalSegmentator's own spine report, on the same scan: L1 21.0 mm in front, 27.0 mm behind, so the most
    # wedged of L1-L4; its other levels are higher in front than behind
    assert max(losses, key=lambda name: losses[name]) == "L1"


def test_the_siemens_patient_is_enhanced(real_data: Real, lumen_hu_max: float) -> None:
    series = scan_folder(real_data("siemens_biograph_j2k_t11_t12") / "dicom").series[0]
    assert aortic_lumen_hu(read_volume(series)) > lumen_hu_max


SINGLE = [
    ("l3_crop_labelled", "sub-ct_label-22_ct.nii.gz", "sub-ct_seg-vert_label-22_msk.nii.gz", (22,)),
    (
        "verse_l2_calibrated",
        "sub-verse004_0000_vertebra_21_im.nii.gz",
        "sub-verse004_0000_vertebra_21_seg.nii.gz",
        (1, 2, 3, 4, 5, 6),
    ),
]


@pytest.mark.parametrize(("archive", "image", "mask", "labels"), SINGLE)
def test_a_single_vertebra_of_poor_or_of_calibrated_bone_holds_no_metal_or_cement(
    real_data: Real, prepare: PrepareParams, archive: str, image: str, mask: str, labels: tuple[int, ...]
) -> None:
    # crops of one vertebra: no neighbour tells where its discs are, so heights are not read
    folder = real_data(archive)
    volume, labelled = read_nifti(folder / image), read_nifti(folder / mask)
    centre = vertebral_body(
        np.isin(labelled.hu, labels), labelled.affine, name="L3", source=mask
    ).centre_lps_mm
    level = VertebraLevel("L3", centre, np.eye(3))
    (shown,) = level_evidence(volume, (level,), prepare.unmeasurable).values()
    assert (shown.metal_mm3, shown.cement_mm3) == (0, 0)
    assert math.isnan(shown.height_loss)
