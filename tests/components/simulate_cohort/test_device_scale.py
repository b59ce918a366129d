"""The simulated DXA devices and the project's own conversion speak of one scale."""

from __future__ import annotations

import pytest

from components.simulate_cohort.dxa_exam import lunar_from_hologic_g_cm2
from models.bone_reference import to_hologic_g_cm2


@pytest.mark.parametrize("hologic_g_cm2", [0.5, 0.772, 0.937, 1.4])
def test_a_lunar_value_simulated_from_a_hologic_one_comes_back(hologic_g_cm2: float) -> None:
    assert to_hologic_g_cm2(lunar_from_hologic_g_cm2(hologic_g_cm2), "lunar") == pytest.approx(hologic_g_cm2)
