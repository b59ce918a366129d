"""Peaks of air, fat and soft tissue: found where they were drawn, moved as the values are, and never made up."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from components.ingest_dicom.statistics import HuStatistics, hu_statistics
from components.validate_dicom.checks import Within
from components.validate_dicom.params import ValidateParams
from components.validate_dicom.series_rules import series_rules
from models.params import load_section
from models.refusal import Code

ROOT = Path(__file__).resolve().parents[3]
AIR, FAT, MUSCLE, BONE = -1000.0, -100.0, 50.0, 160.0


@pytest.fixture(scope="module")
def params() -> ValidateParams:
    return load_section(ROOT / "params.yaml", "validate", ValidateParams)


def trunk(*, air: bool = True, noise_hu: float = 20.0, fat_share: float = 0.4) -> NDArray[np.float64]:
    """(3, 160, 160) HU: muscle within fat, bone within muscle, and around it air or nothing but fat."""
    y, x = np.mgrid[-80:80, -80:80]
    radius = np.hypot(x, y * 1.2)
    hu = np.full((160, 160), AIR if air else FAT)
    outer = 74.0
    hu[radius < outer] = FAT
    hu[radius < outer * math.sqrt(1.0 - fat_share)] = MUSCLE
    hu[np.hypot(x, y - 20) < 15] = BONE
    return np.stack([hu] * 3) + np.random.default_rng(3).normal(0.0, noise_hu, (3, 160, 160))


def stored(hu: NDArray[np.float64]) -> NDArray[np.int16]:
    """As the reader has them: whole numbers, never below -1024."""
    return np.rint(hu).clip(-1024, 3071).astype(np.int16)


def implausible(statistics: HuStatistics, params: ValidateParams) -> bool:
    """Whether any rule of HU_IMPLAUSIBLE is broken."""
    frame = pd.DataFrame([vars(statistics)])
    rules = [rule for rule in series_rules(params) if rule.code is Code.HU_IMPLAUSIBLE]
    assert len(rules) == 3
    assert all(isinstance(rule.check, Within) for rule in rules)
    return not all(rule.check.passes(frame).all() for rule in rules)


@pytest.mark.parametrize("noise_hu", [5.0, 30.0, 60.0])
def test_the_three_peaks_are_where_they_were_drawn(noise_hu: float, params: ValidateParams) -> None:
    found = hu_statistics(stored(trunk(noise_hu=noise_hu)))
    # clipping at -1024 lifts the mean of noisy air: half of it lies below -1000
    assert found.hu_air_peak == pytest.approx(AIR, abs=5 + 0.3 * noise_hu)
    assert found.hu_fat_peak == pytest.approx(FAT, abs=6)
    assert found.hu_soft_tissue_peak == pytest.approx(MUSCLE, abs=6)
    assert not implausible(found, params)


def test_a_field_of_view_without_air_is_not_checked_for_it(params: ValidateParams) -> None:
    found = hu_statistics(stored(trunk(air=False)))
    assert math.isnan(found.hu_air_peak)
    assert not implausible(found, params)


def test_a_field_of_view_of_muscle_and_bone_alone_is_not_refused(params: ValidateParams) -> None:
    found = hu_statistics(stored(trunk(air=False)[:, 50:110, 50:120]))
    assert math.isnan(found.hu_air_peak)
    assert math.isnan(found.hu_fat_peak)
    assert found.hu_soft_tissue_peak == pytest.approx(MUSCLE, abs=6)
    assert not implausible(found, params)


@pytest.mark.parametrize("outside_hu", [-1024.0, -1000.0, -2000.0, -3024.0, -31744.0])
def test_padding_and_clipped_air_are_no_reproach(outside_hu: float, params: ValidateParams) -> None:
    hu = trunk()
    y, x = np.mgrid[-80:80, -80:80]
    hu[:, np.hypot(x, y) > 75] = outside_hu
    assert not implausible(hu_statistics(stored(hu)), params)
    assert not implausible(hu_statistics(stored(hu.clip(-1000, None))), params)


def test_lung_as_the_lowest_peak_is_no_reproach(params: ValidateParams) -> None:
    hu = trunk(air=False)
    hu[:, :60, :50] += -780.0 - FAT
    found = hu_statistics(stored(hu))
    assert found.hu_air_peak == pytest.approx(-780, abs=6)
    assert not implausible(found, params)


CHANGES = {
    "100 HU too high": lambda hu: hu + 100,
    "100 HU too low": lambda hu: hu - 100,
    "intercept forgotten": lambda hu: hu + 1024,
    "intercept forgotten, stored unsigned": lambda hu: (hu + 1024).clip(0),
    "intercept of 1000 forgotten, air at 0": lambda hu: (hu + 1000).clip(0),
    "slope doubled": lambda hu: 2 * (hu + 1024) - 1024,
    "slope doubled, intercept 0": lambda hu: 2 * hu,
    "slope halved": lambda hu: (hu + 1024) / 2 - 1024,
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("air", [True, False])
@pytest.mark.parametrize("noise_hu", [5.0, 30.0, 60.0])
def test_values_that_are_not_hu_are_refused_with_and_without_air_in_view(
    change: str, air: bool, noise_hu: float, params: ValidateParams
) -> None:
    wrong = CHANGES[change](stored(trunk(air=air, noise_hu=noise_hu)).astype(np.float64))
    assert implausible(hu_statistics(stored(wrong)), params)


def test_nothing_is_made_up_of_nothing() -> None:
    for empty in (np.zeros((0, 8, 8), np.int16), np.full((2, 3, 3), -1024, np.int16)):
        assert all(math.isnan(value) for value in vars(hu_statistics(empty)).values())
