"""Crops of phantoms drawn with partial volume on tilted, thick, oblique and flipped stacks: angles and HU by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from components.ingest_dicom.volume import Volume
from components.prepare_vertebrae.crops import extract_crops
from components.prepare_vertebrae.levels import VertebraLevel, spine_levels
from components.prepare_vertebrae.params import PrepareParams
from models.crop_store import CropGeometry
from models.refusal import Code, RefusedError

BONE, DISC, MUSCLE = 200.0, 70.0, 50.0  # HU
HALF_MM = np.array([22.0, 17.0, 14.0])  # of a body; 8 mm of disc between bodies
APART_MM = 36.0
PIXEL_MM = 64.0 / 96
SPINE_MM = (220.0, 150.0, 16.0)  # a slab about the middle: bodies are the same from side to side
LEAN_DEG = {"L1": 14.0, "L2": 6.0, "L3": -2.0, "L4": -10.0}
Field = Callable[[np.ndarray], np.ndarray]


def bodies() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Centre (3,) LPS mm and axes (3, 3) of four bodies stacked along their own axes."""
    placed: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    place, before = np.array([0.0, 5.0, 60.0]), None
    for name, degrees in LEAN_DEG.items():
        lean = np.radians(degrees)
        own = np.array([[1, 0, 0], [0, np.cos(lean), -np.sin(lean)], [0, np.sin(lean), np.cos(lean)]])
        if before is not None:
            place = place - APART_MM / 2 * (before[2] + own[2])
        placed[name], before = (place, own), own
    return placed


def spine_hu(points: np.ndarray) -> np.ndarray:
    """HU (...,) at points (..., 3) LPS mm."""
    hu = np.full(points.shape[:-1], MUSCLE)
    for column, value in ((HALF_MM + np.array([0, 0, 4.0]), DISC), (HALF_MM, BONE)):
        for centre, own in bodies().values():
            hu[np.all(np.abs((points - centre) @ own.T) <= column, axis=-1)] = value
    return hu


def scanned(
    field: Field,
    spacing_mm: tuple[float, float, float],
    extent_mm: tuple[float, float, float],
    turn_deg: float = 0.0,
    flip: bool = False,
) -> Volume:
    """A stack about the origin, each voxel the mean of 5 samples across its slice.

    The stack is turned about the left-right axis; `flip` stores slices and rows backwards.
    """
    turn = np.radians(turn_deg)
    z = np.array([0, np.sin(turn), np.cos(turn)])
    y = np.array([0, np.cos(turn), -np.sin(turn)])
    axes = np.stack([z, y, np.array([1.0, 0, 0])]) * np.array(spacing_mm)[:, None]
    if flip:
        axes[:2] *= -1
    shape = np.ceil(np.array(extent_mm) / spacing_mm).astype(int)
    origin = -(shape - 1) / 2 @ axes
    points = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1) @ axes + origin
    parts = [field(points + across * axes[0]) for across in (-0.4, -0.2, 0.0, 0.2, 0.4)]
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = axes.T, origin
    return Volume(np.rint(np.mean(parts, axis=0)).astype(np.int16), affine)


def endplate_angles_deg(crop: np.ndarray) -> tuple[float, float]:
    """Slopes of the upper and lower endplate in a crop (H, W), where bone falls to half way between bone and disc."""
    half = (BONE + DISC) / 2
    centre_row, centre_column = 48, 48 - round(6 / PIXEL_MM)
    columns = np.arange(centre_column - 15, centre_column + 16)
    angles = []
    for step in (-1, 1):
        edges = []
        for column in columns:
            line = crop[centre_row::step, column].astype(float)
            below = int(np.argmax(line < half))
            edges.append(step * (below - 1 + (line[below - 1] - half) / (line[below - 1] - line[below])))
        angles.append(float(np.degrees(np.arctan(np.polyfit(columns, edges, 1)[0]))))
    return angles[0], angles[1]


@pytest.mark.parametrize(
    ("spacing_mm", "turn_deg", "flip", "within_deg"),
    [
        ((1.0, 0.8, 0.8), 0.0, False, 2.0),
        ((5.0, 0.8, 0.8), 0.0, False, 2.5),  # the steps of 5 mm slices are in the endplates
        ((2.5, 0.9, 0.9), 20.0, False, 2.0),
        ((2.5, 0.9, 0.9), -15.0, True, 2.0),
        ((0.9, 2.5, 0.9), 0.0, True, 2.0),  # coronal
    ],
    ids=["thin", "5 mm", "oblique", "oblique and flipped", "coronal"],
)
def test_endplates_lie_level_in_the_crop_of_every_stack(
    params: PrepareParams,
    spacing_mm: tuple[float, float, float],
    turn_deg: float,
    flip: bool,
    within_deg: float,
) -> None:
    volume = scanned(spine_hu, spacing_mm, SPINE_MM, turn_deg, flip)
    levels = spine_levels(
        {name: centre for name, (centre, _) in bodies().items()}, params.levels, source="test"
    )
    for level in levels:
        crop = extract_crops(volume, level, params.geometry, (0.0,), coverage_tolerance_mm=3.0)[0, 1]
        assert np.mean(endplate_angles_deg(crop)) == pytest.approx(0.0, abs=within_deg), level.name
        # and were it cut along the patient's axes, the lean of the body would be in it
        upright = VertebraLevel(level.name, level.centre_lps_mm, np.eye(3))
        crop = extract_crops(volume, upright, params.geometry, (0.0,), coverage_tolerance_mm=8.0)[0, 1]
        assert abs(np.mean(endplate_angles_deg(crop))) == pytest.approx(abs(LEAN_DEG[level.name]), abs=2.0)


def sphere_hu(points: np.ndarray) -> np.ndarray:
    return np.where(np.linalg.norm(points, axis=-1) <= 10.0, 300.0, 0.0)


@pytest.mark.parametrize("spacing_mm", [(0.6, 0.4, 0.4), (1.0, 0.7, 0.7), (2.5, 0.9, 0.9), (5.0, 0.8, 0.8)])
def test_what_a_sphere_holds_is_in_its_crop(spacing_mm: tuple[float, float, float]) -> None:
    volume = scanned(sphere_hu, spacing_mm, (60.0, 60.0, 60.0))
    lean = np.radians(12.0)
    own = np.array([[1, 0, 0], [0, np.cos(lean), -np.sin(lean)], [0, np.sin(lean), np.cos(lean)]])
    geometry = CropGeometry(pixels=64, size_mm=42.0, slices=21, slice_spacing_mm=2.0, centre_shift_mm=0.0)
    level = VertebraLevel("L3", np.array([0.31, -0.17, 0.43]), own)
    (crop,) = extract_crops(volume, level, geometry, (0.0,), coverage_tolerance_mm=0.0)
    held = float(crop.sum(dtype=np.float64)) * (42.0 / 64) ** 2 * 2.0
    assert held == pytest.approx(
        300.0 * 4 / 3 * np.pi * 10.0**3, rel=0.015
    )  # HU mm3: nothing is lost or doubled
    inner = crop[9:12, 29:35, 29:35]  # within 3.5 mm of its centre: two 5 mm slices about it lie inside
    assert float(inner.mean()) == pytest.approx(300.0, abs=3.0)
    assert crop.max() <= 300  # linear: no overshoot
    assert crop.min() >= 0


def test_a_crop_at_each_edge_of_the_stack_is_refused_where_it_leaves_it(params: PrepareParams) -> None:
    volume = scanned(spine_hu, (2.5, 0.9, 0.9), SPINE_MM, 20.0)
    for axis in (0, 1):  # side to side the crop is 5 mm wide, and may stand at the edge
        for end in (0.0, volume.shape[axis] - 1.0):
            index = (np.array(volume.shape) - 1) / 2
            index[axis] = end
            level = VertebraLevel("L2", volume.index_to_lps(index), np.eye(3))
            with pytest.raises(RefusedError) as refused:
                extract_crops(volume, level, params.geometry, (0.0,), coverage_tolerance_mm=3.0)
            assert refused.value.codes == (Code.LEVELS_NOT_IN_VIEW,), (axis, end)
