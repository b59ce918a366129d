"""The simulated DXA devices and the project's own conversion speak of one scale."""

from __future__ import annotations

import pytest

from components.simulate_cohort.dxa_exam import lunar_from_hologic_g_cm2
from models.bone_reference import to_hologic_g_cm2


@pytest.mark.parametrize("hologic_g_cm2", [0.5, 0.772, 0.937, 1.4])
def test_a_lunar_value_simulated_from_a_hologic_one_comes_back(hologic_g_cm2: float) -> None:
    assert to_hologic_g_cm2(lunar_from_hologic_g_cm2(hologic_g_cm2), "lunar") == pytest.approx(hologic_g_cm2)


@pytest.mark.parametrize(("lunar_g_cm2", "hologic_g_cm2"), [(1.0, 0.881), (0.9, 0.7904)])
def test_the_scale_is_genants(lunar_g_cm2: float, hologic_g_cm2: float) -> None:
    """Hologic = 0.906 Lunar - 0.025 (Genant 1994, J Bone Miner Res 9:1503), by hand."""
    assert lunar_from_hologic_g_cm2(hologic_g_cm2) == pytest.approx(lunar_g_cm2)
    assert to_hologic_g_cm2(lunar_g_cm2, "lunar") == pytest.approx(hologic_g_cm2)
