"""Levels of a spine: order, axes, and contradictions that are refused."""

from __future__ import annotations

import numpy as np
import pytest

from components.ingest_dicom.volume import Volume
from components.prepare_vertebrae.levels import check_in_view, spine_levels
from components.prepare_vertebrae.params import LevelRules, PrepareParams
from models.refusal import Code, RefusedError


def straight(**heights_mm: float) -> dict[str, np.ndarray]:
    return {name: np.array([0.0, 0.0, z]) for name, z in heights_mm.items()}


def test_a_straight_spine_has_untilted_axes(params: PrepareParams) -> None:
    levels = spine_levels(straight(L4=0, L3=35, L2=70, L1=105), params.levels, source="test")
    assert [level.name for level in levels] == ["L1", "L2", "L3", "L4"]
    for level in levels:
        np.testing.assert_allclose(level.axes, np.eye(3), atol=1e-9)


def test_axes_follow_a_circular_lordosis(params: PrepareParams) -> None:
    # centres on a circle of radius 250 mm behind the spine: the tangent at angle t leans by t
    angles = np.radians([12.0, 4.0, -4.0, -12.0])
    points = np.stack([np.zeros(4), -250 * np.cos(angles), 250 * np.sin(angles)], axis=1)
    levels = spine_levels(
        dict(zip(("L1", "L2", "L3", "L4"), points, strict=True)), params.levels, source="test"
    )
    lean = [np.degrees(np.arctan2(level.axes[2][1], level.axes[2][2])) for level in levels]
    np.testing.assert_allclose(lean, [12.0, 4.0, -4.0, -12.0], atol=0.5)
    for level in levels:
        np.testing.assert_allclose(level.axes @ level.axes.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(level.axes) == pytest.approx(1.0)


def leaning_spine(*, noise_mm: float = 0.0) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Centres T12-L5 and lean (degrees) of bodies stacked along their own axes, with the lordosis of Vialle 2005.

    36 mm a level, half of it along the upper body's axis and half along the lower's.
    """
    lean = {"T12": 8.0, "L1": 8.0, "L2": 5.5, "L3": 0.0, "L4": -7.0, "L5": -17.0}
    place, centres, rng = np.zeros(3), {}, np.random.default_rng(4)
    before: float | None = None
    for name, degrees in lean.items():
        for part in (before, degrees):
            if before is not None and part is not None:
                place = place - 18.0 * np.array([0.0, np.sin(np.radians(part)), np.cos(np.radians(part))])
        centres[name], before = place + rng.normal(0.0, noise_mm, 3), degrees
    return centres, lean


def lean_errors(
    centres: dict[str, np.ndarray], lean: dict[str, float], rules: LevelRules
) -> dict[str, float]:
    return {
        level.name: abs(np.degrees(np.arctan2(level.axes[2][1], level.axes[2][2])) - lean[level.name])
        for level in spine_levels(centres, rules, source="test")
    }


def test_axes_of_four_levels_are_those_of_the_bodies_to_two_degrees(params: PrepareParams) -> None:
    centres, lean = leaning_spine()
    own = lean_errors({name: centres[name] for name in ("L1", "L2", "L3", "L4")}, lean, params.levels)
    assert max(own.values()) < 2.0
    assert max(lean_errors(centres, lean, params.levels).values()) < 1.0
    alone = params.levels.model_copy(update={"axes_from": "l1_l4"})
    assert lean_errors(centres, lean, alone) == own  # named, and not asked


def test_neighbours_steady_the_axes_where_centres_are_read_by_eye(params: PrepareParams) -> None:
    centres, lean = leaning_spine(noise_mm=2.0)
    alone = lean_errors(centres, lean, params.levels.model_copy(update={"axes_from": "l1_l4"}))
    beside = lean_errors(centres, lean, params.levels)
    assert sum(beside.values()) < sum(alone.values())


def test_two_levels_are_turned_by_what_lies_beside_them(params: PrepareParams) -> None:
    centres, lean = leaning_spine()
    adjacent = lean_errors({name: centres[name] for name in ("L3", "L4")}, lean, params.levels)
    assert max(adjacent.values()) < 4.0  # half of the 7 degrees between them
    with_l5 = lean_errors({name: centres[name] for name in ("L3", "L4", "L5")}, lean, params.levels)
    assert max(with_l5.values()) < 2.0
    ends = {name: centres[name] for name in ("L1", "L4")}
    with pytest.raises(RefusedError, match="L1 and L4 alone do not tell how they are turned") as refused:
        spine_levels(ends, params.levels, source="test")
    assert refused.value.codes == (Code.LEVELS_TOO_FEW,)
    both = lean_errors({name: centres[name] for name in ("T12", "L1", "L4", "L5")}, lean, params.levels)
    assert max(both.values()) < 4.0


def test_a_neighbour_that_is_cut_or_far_off_turns_nothing(params: PrepareParams) -> None:
    centres, _ = leaning_spine()
    rules = params.levels
    four = {name: centres[name] for name in ("L1", "L2", "L3", "L4")}
    alone = [level.axes for level in spine_levels(four, rules, source="test")]
    far = four | {"L5": centres["L4"] - np.array([0.0, 0.0, 80.0])}
    cut = four | {"L5": centres["L5"]}
    for levels in (
        spine_levels(far, rules, source="test"),
        spine_levels(cut, rules, source="test", cut={"L5": "L5 reaches the end"}),
    ):
        np.testing.assert_allclose([level.axes for level in levels], alone)


@pytest.mark.parametrize(
    ("heights_mm", "code"),
    [
        ({}, Code.LEVELS_MISSING),
        ({"T12": 0.0, "L5": -180.0}, Code.LEVELS_MISSING),
        ({"L2": 0.0}, Code.LEVELS_TOO_FEW),
        ({"L1": 0.0, "L2": 35.0, "L3": 70.0, "L4": 105.0}, Code.LEVELS_AMBIGUOUS),  # upside down
        ({"L1": 105.0, "L2": 70.0, "L3": 72.0, "L4": 0.0}, Code.LEVELS_AMBIGUOUS),
        ({"L1": 105.0, "L2": 70.0, "L3": 35.0, "L4": -25.0}, Code.LEVELS_AMBIGUOUS),  # 60 mm
        ({"L1": 70.0, "L2": 55.0, "L3": 35.0, "L4": 0.0}, Code.LEVELS_AMBIGUOUS),  # 15 mm
        ({"L1": 98.0, "L2": 70.0, "L3": 35.0, "L4": -11.0}, Code.LEVELS_AMBIGUOUS),  # 28 and 46: ratio 1.64
    ],
)
def test_contradictions_are_refused(heights_mm: dict[str, float], code: Code, params: PrepareParams) -> None:
    with pytest.raises(RefusedError) as refused:
        spine_levels(straight(**heights_mm), params.levels, source="test")
    assert refused.value.codes == (code,)


def test_a_level_may_be_left_out_of_the_middle(params: PrepareParams) -> None:
    levels = spine_levels(straight(L1=105, L3=35, L4=0), params.levels, source="test")
    assert [level.name for level in levels] == ["L1", "L3", "L4"]


def test_levels_outside_of_the_volume_are_refused_by_name(params: PrepareParams, spine: Volume) -> None:
    levels = spine_levels(straight(L1=1105, L2=1070, L3=1035, L4=1000), params.levels, source="test")
    with pytest.raises(RefusedError, match="L1, L2, L3, L4") as refused:
        check_in_view(levels, spine, source="test")
    assert refused.value.codes == (Code.LEVELS_NOT_IN_VIEW,)
