"""One connected spine with its neighbours, in the field and in the images."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from components.simulate_cohort.anatomy import Stack, build_stack
from components.simulate_cohort.ct import CtImage, render
from components.simulate_cohort.findings import Findings, draw_findings
from components.simulate_cohort.mineral_field import MineralField, build_field
from components.simulate_cohort.patient import STACK, draw_patient
from components.simulate_cohort.scanner import VENDORS, draw_acquisition

SEED = 11
PIXEL_MM = 1.0


def quiet_image(field: MineralField, matrix: int = 224) -> CtImage:
    """A wide, noise-free 120 kVp image with 3 mm slices."""
    drawn = draw_acquisition(
        field.patient.stream("acquisition"),
        "Canon",
        bmi=27.0,
        matrix=matrix,
        pixel_range_mm=(PIXEL_MM, PIXEL_MM),
    )
    still = replace(drawn, kvp=120.0, protocol=VENDORS["Canon"].protocols[0], noise_sd_hu=1e-6)
    return render(field, replace(still, scale=1.0, offset_hu=0.0), rng=np.random.default_rng(0))


def voxel_places_mm(image: CtImage) -> tuple[NDArray[np.float64], ...]:
    """x, y and z of columns, rows and slices in the patient's own frame."""
    slices, rows, columns = image.hu.shape
    start = image.affine[:3, 3] - image.offset_mm
    return (
        start[0] + image.affine[0, 2] * np.arange(columns),
        start[1] + image.affine[1, 1] * np.arange(rows),
        start[2] + image.affine[2, 0] * np.arange(slices),
    )


def drawn_stack(index: int) -> Stack:
    patient = draw_patient(index, SEED)
    return build_stack(patient, draw_findings(patient))


@pytest.fixture(scope="module")
def field() -> MineralField:
    return build_field(draw_patient(2, SEED), Findings())


@pytest.fixture(scope="module")
def image(field: MineralField) -> CtImage:
    return quiet_image(field)


def test_every_vertebra_stands_a_disc_above_the_next_down_to_the_sacrum() -> None:
    for index in range(20):
        stack = drawn_stack(index)
        bones = [*(stack.vertebrae[name] for name in STACK), stack.sacrum]
        for upper, lower in itertools.pairwise(bones):
            under = upper.centre_mm - upper.axes[2] * upper.half_mm[2]
            over = lower.centre_mm + lower.axes[2] * lower.half_mm[2]
            gap = np.linalg.norm(under - over)
            assert 3.0 < gap < 16.0, (index, upper.name)  # lumbar discs are about 5-14 mm high
            assert (under - over) @ upper.axes[2] > 2.0, (index, upper.name)  # no overlap


def test_lumbar_lordosis_and_sacral_slope_are_a_supine_adults() -> None:
    stacks = [drawn_stack(index) for index in range(60)]

    def lean_deg(bone) -> float:
        return float(np.rad2deg(np.arctan2(bone.axes[2][1], bone.axes[2][2])))

    lordosis = [lean_deg(s.vertebrae["L1"]) - lean_deg(s.sacrum) for s in stacks]
    assert 35 < np.mean(lordosis) < 55  # L1-S1, supine adults about 40-50 degrees
    assert 5 < np.std(lordosis) < 18
    assert 28 < -np.mean([lean_deg(s.sacrum) for s in stacks]) < 45  # sacral slope


def test_a_marked_scoliosis_has_the_recorded_angle_between_its_end_vertebrae() -> None:
    patient = draw_patient(5, SEED)
    bent = build_field(patient, Findings(cobb_deg=30.0)).stack.vertebrae
    straight = build_field(patient, Findings()).stack.vertebrae

    def cobb(bones) -> float:
        leans = [np.rad2deg(np.arctan2(bones[n].axes[2][0], bones[n].axes[2][2])) for n in STACK]
        return float(leans[0] - leans[-1])

    assert cobb(bent) - cobb(straight) == pytest.approx(30.0, abs=2.0)


def test_the_images_reach_from_the_top_of_t12_into_s1(field: MineralField, image: CtImage) -> None:
    _, _, z = voxel_places_mm(image)
    t12, s1 = field.stack.vertebrae["T12"], field.stack.sacrum
    assert z[-1] > t12.centre_mm[2] + 0.75 * t12.half_mm[2]
    assert z[0] < s1.centre_mm[2]
    assert z[0] < field.stack.vertebrae["L4"].centre_mm[2] - 32.0  # a 64 mm crop around L4
    assert z[-1] > field.stack.vertebrae["L1"].centre_mm[2] + 32.0


def test_the_sacrum_is_in_the_images(field: MineralField, image: CtImage) -> None:
    s, r, k = np.rint(
        np.linalg.inv(image.affine) @ np.array([*(field.stack.sacrum.centre_mm + image.offset_mm), 1.0])
    )[:3].astype(int)
    assert image.hu[s, r - 2 : r + 3, k - 2 : k + 3].mean() > 60  # cancellous bone, not pelvis fat
    assert image.labels[s].max() == 0  # and no level of ours


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_ribs_beside_t12_and_iliac_wings_beside_l5(field: MineralField, image: CtImage, side: float) -> None:
    x, _, z = voxel_places_mm(image)
    beside = (side * x > 55) & (side * x < 105)

    def bone_pixels(level_mm: float) -> int:
        near = np.abs(z - level_mm) < 8
        return int((image.hu[near][:, :, beside] > 250).sum())

    bones = field.stack.vertebrae
    assert bone_pixels(bones["T12"].centre_mm[2] - 5) > 30  # the twelfth rib
    assert bone_pixels(field.stack.sacrum.centre_mm[2] + 10) > 200  # the wing
    assert bone_pixels(bones["L3"].centre_mm[2] + 4) == 0  # the flank between them is soft


def test_muscle_and_fat_have_the_hu_of_muscle_and_fat(field: MineralField, image: CtImage) -> None:
    x, _, z = voxel_places_mm(image)
    soft = image.hu[(z > -40) & (z < 40)][:, :, np.abs(x) < 80]
    counts, edges = np.histogram(soft, bins=np.arange(-200, 200, 4))
    middle = edges[:-1] + 2
    lean, fat = middle > 0, middle < -40
    assert 40 < middle[lean][counts[lean].argmax()] < 62  # muscle 45-60 HU
    assert -115 < middle[fat][counts[fat].argmax()] < -85  # fat about -100 HU
    assert image.hu.max() < 2000  # bone, no metal
