"""Levels of a spine: order, axes, and contradictions that are refused."""

from __future__ import annotations

import numpy as np
import pytest

from components.ingest_dicom.volume import Volume
from components.prepare_vertebrae.levels import check_in_view, spine_levels
from components.prepare_vertebrae.params import PrepareParams
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
