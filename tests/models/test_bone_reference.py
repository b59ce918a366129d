"""One BMD scale, and cuts that do not turn on float rounding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.bone_reference import (
    DeviceUnknownError,
    ScalesParams,
    bmd_at_t,
    device_family,
    is_impaired_tbs,
    is_osteopenia_or_worse,
    is_osteoporosis,
    is_yam_low_bone_mass,
    is_yam_osteoporosis,
    t_score,
    tbs_is_judged,
    to_hologic_g_cm2,
)
from models.errors import ParameterError
from models.params import load_section, parse_section

PARAMS = Path(__file__).resolve().parents[2] / "params.yaml"


@pytest.fixture(scope="module")
def scales() -> ScalesParams:
    return load_section(PARAMS, "scales", ScalesParams)


@pytest.mark.parametrize(
    ("text", "family"),
    [
        ("Hologic Horizon A", "hologic"),
        ("HOLOGIC, INC. Discovery-W", "hologic"),
        ("GE Lunar iDXA", "lunar"),
        ("Lunar Prodigy", "lunar"),
        ("GE Prodigy Advance", "lunar"),
        ("iDXA", "lunar"),
        ("Norland XR-800", None),
        ("GE Discovery CT750", None),  # GE alone is a CT vendor as well
        ("Hologic or Lunar", None),
        ("", None),
        (None, None),
    ],
)
def test_device_family_from_what_sites_write(text: str | None, family: str | None) -> None:
    assert device_family(text) == family


def test_lunar_is_converted_by_the_published_equation() -> None:
    # 0.906 x 1.200 - 0.025 = 1.0872 - 0.025
    assert to_hologic_g_cm2(1.200, "lunar") == pytest.approx(1.0622)
    np.testing.assert_allclose(to_hologic_g_cm2(np.array([1.0, 0.8]), "lunar"), [0.881, 0.6998])
    assert to_hologic_g_cm2(1.200, "hologic") == 1.200


@pytest.mark.parametrize("family", [None, "norland", "Hologic Horizon"])
def test_an_unknown_scale_is_refused_and_never_guessed(family: str | None) -> None:
    with pytest.raises(DeviceUnknownError, match="accepted: hologic, lunar"):
        to_hologic_g_cm2(1.0, family)


def test_t_scores_of_the_hologic_reference(scales: ScalesParams) -> None:
    # (0.717 - 1.047) / 0.110 = -3.0
    assert t_score(0.717, scales.reference) == pytest.approx(-3.0)
    assert bmd_at_t(-1.0, scales.reference) == 0.937
    assert bmd_at_t(-2.5, scales.reference) == 0.772


def test_values_on_a_cut_count_as_at_or_below_it(scales: ScalesParams) -> None:
    bmd = np.array([0.936, 0.937, 0.938])
    assert is_osteopenia_or_worse(bmd, scales).tolist() == [True, True, False]
    assert is_osteoporosis(np.array([0.771, 0.772, 0.773]), scales).tolist() == [True, True, False]
    assert is_impaired_tbs(np.array([1.309, 1.310, 1.311]), scales).tolist() == [True, False, False]


def test_a_missing_value_has_no_finding_but_an_error(scales: ScalesParams) -> None:
    with pytest.raises(ValueError, match="1 values that are not numbers"):
        is_osteoporosis(np.array([0.9, np.nan]), scales)


def test_wrong_scales_are_refused_by_key(scales: ScalesParams) -> None:
    values = scales.model_dump() | {"osteoporosis_t": 2.5}
    with pytest.raises(ParameterError, match=r"scales\.osteoporosis_t: found 2\.5"):
        parse_section("scales", values, ScalesParams)


def test_percent_of_the_young_adult_mean(scales: ScalesParams) -> None:
    """70 % of 1.047 is 0.7329 and counts as osteoporosis; 80 % is 0.8376 and is not yet low bone mass."""
    assert is_yam_osteoporosis(np.array([0.7329, 0.733]), scales).tolist() == [True, False]
    assert is_yam_low_bone_mass(np.array([0.8375, 0.8376]), scales).tolist() == [True, False]
    own = scales.model_copy(
        update={"young_adult_mean": scales.young_adult_mean.model_copy(update={"mean_g_cm2": 1.0})}
    )
    assert is_yam_osteoporosis(np.array([0.7, 0.7329]), own).tolist() == [True, False]


def test_tbs_has_no_meaning_outside_its_bmi_range(scales: ScalesParams) -> None:
    bmi = np.array([14.9, 15.0, 27.0, 37.0, 37.1, np.nan])
    assert tbs_is_judged(bmi, scales).tolist() == [False, True, True, True, False, False]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lunar_to_hologic": "hui_1997"}, "lunar_to_hologic"),
        ({"tbs_degraded_below": 1.31}, "tbs_degraded_below must lie below"),
        ({"tbs_alternatives_below": [1.2, 13.5]}, "tbs_alternatives_below"),
        ({"tbs_bmi_kg_m2": [37, 15]}, "tbs_bmi_kg_m2"),
    ],
)
def test_scales_that_contradict_themselves_are_refused(
    scales: ScalesParams, change: dict, words: str
) -> None:
    with pytest.raises(ParameterError, match=words):
        parse_section("scales", scales.model_dump() | change, ScalesParams)
