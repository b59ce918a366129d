"""Heights of vertebral bodies in front, in the middle and behind, from their endplates in the image."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from components.ingest_dicom.volume import Volume
from components.prepare_vertebrae.crops import sample_hu
from components.prepare_vertebrae.levels import VertebraLevel

# Places in the body's own axes, mm: a body is 41-48 mm wide and 31-34 mm deep (Panjabi 1992).
LATERAL_MM = np.arange(-8.0, 8.1, 2.0)  # averaged: the middle third, where heights are read on a lateral view
BACK_MM = np.arange(-12.0, 12.1, 1.0)
FRONT, MIDDLE, BEHIND = (-11.0, -7.0), (-3.0, 3.0), (7.0, 11.0)
STEP_MM = 0.5  # along the body's axis
NEAREST_MM = 2.0  # of an endplate to the centre
INTO_DISC_MM = 2.0  # an endplate is looked for this far beyond the middle of the disc
FARTHEST_MM = 26.0
EDGE_MM = 2.0  # bone on one side and disc on the other are compared at this distance
SMOOTHING_MM = 0.75
WHOLE_MM = 18.0  # above and below the centre: a body with its endplates


@dataclass(frozen=True)
class BodyHeights:
    """Heights of one body in mm, each the mean over a few millimetres from front to back."""

    front_mm: float
    middle_mm: float
    behind_mm: float

    @property
    def tallest_mm(self) -> float:
        """The greatest of the three: what a wedge or a biconcave fracture leaves."""
        return max(self.front_mm, self.middle_mm, self.behind_mm)


def body_heights(volume: Volume, levels: Sequence[VertebraLevel]) -> dict[str, BodyHeights]:
    """Heights by level name, of those levels that lie whole inside the images; needs two levels or more.

    Each endplate is the path from front to back along which the image, averaged over the middle third, falls
    most from bone to disc (dynamic programming; at most 1 mm up or down per mm). It is looked for up to the
    middle of the disc, which the neighbours' centres tell, so that the next vertebra's endplate is not taken.
    """
    found = {}
    for number, level in enumerate(levels):
        ends = level.centre_lps_mm + np.array([[WHOLE_MM], [-WHOLE_MM]]) * level.axes[2]
        if len(levels) < 2 or not volume.contains(ends).all():
            continue
        above_mm, below_mm = disc_middles_mm(levels, number)
        height_mm = endplate_mm(volume, level, level.axes[2], above_mm)
        height_mm = height_mm + endplate_mm(volume, level, -level.axes[2], below_mm)
        found[level.name] = BodyHeights(*(_between(height_mm, place) for place in (FRONT, MIDDLE, BEHIND)))
    return found


def height_losses(heights: Mapping[str, BodyHeights]) -> dict[str, float]:
    """Share of its height that each body lacks, 0 or more: what quantitative morphometry compares.

    The larger of two: the lower of front and middle against the higher of front and back (wedge, biconcave),
    and the tallest of the three against the median of the other levels' (crush). After Genant 1993
    (doi 10.1002/jbmr.5650080915) and the ratios that DXA morphometry uses.
    """
    losses = {}
    for name, own in heights.items():
        within = 1.0 - min(own.front_mm, own.middle_mm) / max(own.front_mm, own.behind_mm)
        others = [other.tallest_mm for key, other in heights.items() if key != name]
        crushed = 1.0 - own.tallest_mm / float(np.median(others)) if others else 0.0
        losses[name] = max(within, crushed, 0.0)
    return losses


def _between(height_mm: NDArray[np.float64], place: tuple[float, float]) -> float:
    return float(height_mm[(place[0] <= BACK_MM) & (place[1] >= BACK_MM)].mean())


def disc_middles_mm(
    levels: Sequence[VertebraLevel], number: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distance (V,) mm along the level's axis to the middle of the disc above and below, from front to back.

    Half way to the neighbour's centre, turned half way to the neighbour's axis. At either end of the row the
    only neighbour's is taken for both sides.
    """
    level = levels[number]
    sides: dict[int, NDArray[np.float64]] = {}
    for side in (-1, 1):  # from the head down: the level above comes before
        if not 0 <= number + side < len(levels):
            continue
        other = levels[number + side]
        levels_apart = abs(int(other.name[1:]) - int(level.name[1:]))
        half_way = (other.centre_lps_mm - level.centre_lps_mm) / (2 * levels_apart)
        normal, along = other.axes[2] + level.axes[2], -side * level.axes[2]
        # where the plane through the half-way point is met, starting from each place between front and back
        sides[side] = (half_way @ normal - BACK_MM * (level.axes[1] @ normal)) / (along @ normal)
    above, below = sides.get(-1), sides.get(1)
    if above is None and below is None:
        raise ValueError("levels: found one; a body's neighbours tell where its discs are")
    return (below if above is None else above), (above if below is None else below)  # type: ignore[return-value]


def endplate_mm(
    volume: Volume, level: VertebraLevel, along: NDArray[np.float64], disc_mm: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Distance (V,) mm of an endplate from the body's centre along a direction, from front to back."""
    reach_mm = np.arange(0.0, FARTHEST_MM + EDGE_MM + STEP_MM / 2, STEP_MM)
    left, back, _ = level.axes
    points = (
        level.centre_lps_mm
        + LATERAL_MM[:, None, None, None] * left
        + BACK_MM[None, :, None, None] * back
        + reach_mm[None, None, :, None] * along
    )
    slab = sample_hu(volume, points).mean(axis=0, dtype=np.float64)
    slab = gaussian_filter1d(slab, SMOOTHING_MM / STEP_MM, axis=1)
    edge = round(EDGE_MM / STEP_MM)
    fall = np.zeros(slab.shape)
    fall[:, edge:-edge] = slab[:, : -2 * edge] - slab[:, 2 * edge :]
    farthest_mm = np.minimum(disc_mm + INTO_DISC_MM, FARTHEST_MM)
    outside = (reach_mm[None, :] < NEAREST_MM) | (reach_mm[None, :] > farthest_mm[:, None])
    fall[outside] = -1e6  # HU: no edge in the image makes up for it
    return reach_mm[_best_path(fall)]


def _best_path(score: NDArray[np.float64]) -> NDArray[np.intp]:
    """Index (V,) into the second axis along the path of the largest sum, at most 1 mm a step of 1 mm."""
    places, steps = score.shape
    jump = round(1.0 / STEP_MM)
    total = score[0]
    came = np.zeros(score.shape, dtype=np.intp)
    for place in range(1, places):
        padded = np.pad(total, jump, constant_values=-math.inf)
        options = np.stack([padded[shift : shift + steps] for shift in range(2 * jump + 1)])
        came[place] = np.arange(steps) + options.argmax(axis=0) - jump
        total = score[place] + options.max(axis=0)
    path = np.empty(places, dtype=np.intp)
    path[-1] = int(total.argmax())
    for place in range(places - 1, 0, -1):
        path[place - 1] = came[place, path[place]]
    return path
