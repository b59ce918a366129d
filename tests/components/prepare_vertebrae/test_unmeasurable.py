"""Metal, cement, fracture and scoliosis in a drawn spine: seen where they were drawn, and nowhere else."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from components.ingest_dicom.volume import Volume
from components.prepare_vertebrae.body_heights import BodyHeights, body_heights, height_losses
from components.prepare_vertebrae.levels import VertebraLevel
from components.prepare_vertebrae.params import PrepareParams, UnmeasurableRules
from components.prepare_vertebrae.scoliosis import lateral_curve_deg
from components.prepare_vertebrae.unmeasurable import (
    LevelEvidence,
    level_evidence,
    refused_levels,
    refused_spine,
    unread_heights,
)
from models.levels import LEVELS
from models.params import load_section
from models.refusal import Code

ROOT = Path(__file__).resolve().parents[3]
APART_MM = 36.0
HEIGHT_MM = 28.0


@pytest.fixture(scope="module")
def rules() -> UnmeasurableRules:
    return load_section(ROOT / "params.yaml", "prepare", PrepareParams).unmeasurable


def spine(
    *, heights_mm: dict[str, tuple[float, float]] | None = None, piece: tuple[str, float, float] | None = None
) -> tuple[Volume, tuple[VertebraLevel, ...]]:
    """Four bodies 44 x 32 x 28 mm with endplates of 350 HU, 120 HU within, discs of 80 HU between, muscle around.

    Parameters
    ----------
    heights_mm
        (front, back) of a level; linear between, both endplates alike.
    piece
        (level, HU, side in mm): a cube in the body.
    """
    z, y, x = np.meshgrid(
        np.arange(-75.0, 76.0), np.arange(-30.0, 51.0), np.arange(-32.0, 33.0), indexing="ij"
    )
    hu = np.full(z.shape, 50.0)
    column = (x / 22) ** 2 + (y / 16) ** 2 <= 1
    hu[column] = 80.0
    levels = []
    for number, name in enumerate(LEVELS):
        middle = (1.5 - number) * APART_MM
        front, back = (heights_mm or {}).get(name, (HEIGHT_MM, HEIGHT_MM))
        half = (front + (back - front) * (y + 16) / 32) / 2
        body = column & (np.abs(z - middle) <= half)
        hu[body] = 120.0
        hu[body & (np.abs(z - middle) > half - 2.0)] = 350.0
        if piece is not None and piece[0] == name:
            hu[np.maximum(np.maximum(np.abs(x), np.abs(y)), np.abs(z - middle)) <= piece[2] / 2] = piece[1]
        levels.append(VertebraLevel(name, np.array([0.0, 0.0, middle]), np.eye(3)))
    hu += np.random.default_rng(5).normal(0.0, 20.0, hu.shape)
    affine = np.eye(4)
    affine[:3, :3] = [[0, 0, 1], [0, 1, 0], [1, 0, 0]]
    affine[:3, 3] = [-32.0, -30.0, -75.0]
    return Volume(hu.clip(-1024, 3071).astype(np.int16), affine), tuple(levels)


def codes(volume: Volume, levels: tuple[VertebraLevel, ...], rules: UnmeasurableRules) -> dict[str, Code]:
    refused = refused_levels(level_evidence(volume, levels, rules), rules)
    return {name: refusal.code for name, refusal in refused.items()}


def test_a_sound_spine_is_left_alone_and_its_heights_are_those_drawn(rules: UnmeasurableRules) -> None:
    volume, levels = spine()
    assert codes(volume, levels, rules) == {}
    assert refused_spine(levels, rules) == []
    heights = body_heights(volume, levels, rules.endplate)
    assert list(heights) == list(LEVELS)
    for found in heights.values():
        read = (found.front_mm, found.middle_mm, found.behind_mm)
        assert max(read) - min(read) <= 1.0
        # bone and disc are compared 2 mm to either side, so each endplate is read up to 2 mm outside
        assert all(HEIGHT_MM <= height_mm <= HEIGHT_MM + 4.0 for height_mm in read)


@pytest.mark.parametrize(("hu", "side_mm"), [(3000.0, 6.0), (1500.0, 9.0)])
def test_metal_and_cement_are_named_at_their_level_only(
    rules: UnmeasurableRules, hu: float, side_mm: float
) -> None:
    volume, levels = spine(piece=("L3", hu, side_mm))
    assert codes(volume, levels, rules) == {"L3": Code.METAL_IN_VERTEBRA}


@pytest.mark.parametrize(("hu", "side_mm"), [(3000.0, 2.0), (800.0, 12.0)])
def test_a_speck_of_metal_and_dense_bone_are_neither(
    rules: UnmeasurableRules, hu: float, side_mm: float
) -> None:
    volume, levels = spine(piece=("L2", hu, side_mm))
    assert Code.METAL_IN_VERTEBRA not in codes(volume, levels, rules).values()


@pytest.mark.parametrize("lost", [{"L1": (18.0, 28.0)}, {"L2": (19.0, 19.0)}])
def test_a_wedged_and_a_crushed_body_are_fractures(
    rules: UnmeasurableRules, lost: dict[str, tuple[float, float]]
) -> None:
    volume, levels = spine(heights_mm=lost)
    assert codes(volume, levels, rules) == dict.fromkeys(lost, Code.VERTEBRA_FRACTURED)


def test_a_body_lower_behind_is_no_fracture(rules: UnmeasurableRules) -> None:
    volume, levels = spine(heights_mm={"L4": (29.0, 26.0)})  # L5 and often L4 are so in health
    assert codes(volume, levels, rules) == {}


def test_the_loss_is_against_the_own_back_wall_or_the_neighbours() -> None:
    sound = BodyHeights(28.0, 27.0, 28.0)
    heights = {
        "L1": BodyHeights(21.0, 24.0, 28.0),
        "L2": sound,
        "L3": BodyHeights(21.0, 21.0, 21.0),
        "L4": sound,
    }
    losses = height_losses(heights)
    assert losses["L1"] == pytest.approx(0.25)
    assert losses["L3"] == pytest.approx(0.25)
    assert losses["L2"] == pytest.approx(1 / 28)


def test_a_level_at_the_edge_of_the_images_is_not_measured_and_not_called(rules: UnmeasurableRules) -> None:
    volume, levels = spine()
    affine = volume.affine.copy()
    affine[2, 3] += 12.0
    evidence = level_evidence(Volume(volume.hu[12:], affine), levels, rules)
    assert math.isnan(evidence["L4"].height_loss)
    assert refused_levels(evidence, rules) == {}


def test_heights_are_not_read_where_there_is_metal(rules: UnmeasurableRules) -> None:
    volume, levels = spine(piece=("L3", 3000.0, 8.0))
    evidence = level_evidence(volume, levels, rules)
    assert math.isnan(evidence["L3"].height_loss)
    assert not any(math.isnan(evidence[name].height_loss) for name in ("L1", "L2", "L4"))


def unread(volume: Volume, levels: tuple[VertebraLevel, ...], rules: UnmeasurableRules) -> str:
    """What is said of levels that no fracture could be looked for in; nothing is refused."""
    evidence = level_evidence(volume, levels, rules)
    assert refused_levels(evidence, rules) == {}
    flags = unread_heights(evidence, evidence)
    assert [flag.code for flag in flags] in ([], [Code.HEIGHTS_NOT_READ])
    return flags[0].found if flags else ""


@pytest.mark.parametrize("seed", range(5))
def test_bone_without_endplates_is_neither_high_nor_low(rules: UnmeasurableRules, seed: int) -> None:
    volume, levels = spine()
    noise = np.random.default_rng(seed).normal(0.0, 30.0, volume.hu.shape)
    column = Volume((150 + noise).astype(np.int16), volume.affine)
    assert unread(column, levels, rules).endswith("L1, L2, L3, L4")


def test_noise_that_buries_the_endplates_leaves_nothing_to_measure(rules: UnmeasurableRules) -> None:
    volume, levels = spine(heights_mm={"L2": (18.0, 28.0)})
    assert codes(volume, levels, rules) == {"L2": Code.VERTEBRA_FRACTURED}
    noise = np.random.default_rng(1).normal(0.0, 900.0, volume.hu.shape)
    buried = Volume((volume.hu + noise).clip(-1024, 1900).astype(np.int16), volume.affine)
    assert unread(buried, levels, rules) == "no fracture was looked for in L1, L2, L3, L4"


def test_a_bridge_of_bone_in_front_leaves_that_height_unread_and_the_level_out_of_the_measure(
    rules: UnmeasurableRules,
) -> None:
    volume, levels = spine()
    # in front, bone without a border joins L2 to its neighbours; the first axis starts at -75 mm
    z = np.arange(-75.0, 76.0)[:, None, None]
    y = np.arange(-30.0, 51.0)[None, :, None]
    hu = volume.hu.copy()
    bridge = np.broadcast_to((np.abs(z - APART_MM / 2) <= 22.0) & (y <= -4.0), hu.shape)
    hu[bridge] = np.random.default_rng(3).normal(200.0, 20.0, int(bridge.sum())).astype(np.int16)
    assert unread(Volume(hu, volume.affine), levels, rules) == "no fracture was looked for in L2"


def test_a_sound_spine_has_every_height_read(rules: UnmeasurableRules) -> None:
    assert unread(*spine(), rules) == ""


def test_limits_themselves_are_accepted(rules: UnmeasurableRules) -> None:
    at_limit = LevelEvidence(rules.metal_min_mm3 - 1, rules.cement_min_mm3 - 1, rules.height_loss_max)
    assert refused_levels({"L1": at_limit}, rules) == {}


def curved(angle_deg: float) -> tuple[VertebraLevel, ...]:
    """Centres on a circle's arc, so that the ends lean half the angle to either side."""
    radius_mm = 3 * APART_MM / math.radians(angle_deg)
    places = (np.arange(4) - 1.5) * APART_MM / radius_mm
    return tuple(
        VertebraLevel(
            name, np.array([radius_mm * (1 - math.cos(at)), 0.0, -radius_mm * math.sin(at)]), np.eye(3)
        )
        for name, at in zip(LEVELS, places.tolist(), strict=True)
    )


@pytest.mark.parametrize(("angle_deg", "refused"), [(5.0, []), (12.0, []), (25.0, [Code.SCOLIOSIS])])
def test_a_spine_on_an_arc_is_refused_by_its_angle(
    rules: UnmeasurableRules, angle_deg: float, refused: list[Code]
) -> None:
    levels = curved(angle_deg)
    assert lateral_curve_deg(levels) == pytest.approx(angle_deg, rel=0.05)
    assert [item.code for item in refused_spine(levels, rules)] == refused
