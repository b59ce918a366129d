"""Heights of vertebral bodies in front, in the middle and behind, from their endplates in the image."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.ingest_dicom.volume import Volume
from components.prepare_vertebrae.endplate import BACK_MM, find_endplate
from components.prepare_vertebrae.levels import VertebraLevel
from components.prepare_vertebrae.params import EndplateRules

FRONT, MIDDLE, BEHIND = (-11.0, -7.0), (-3.0, 3.0), (7.0, 11.0)  # mm, from front to back
WHOLE_MM = 18.0  # above and below the centre: a body with its endplates


@dataclass(frozen=True)
class BodyHeights:
    """Heights of one body in mm, each the mean over a few millimetres; NaN where an endplate is not seen."""

    front_mm: float
    middle_mm: float
    behind_mm: float

    @property
    def read(self) -> bool:
        """Whether all three were."""
        return not any(map(math.isnan, self.in_order()))

    def in_order(self) -> tuple[float, float, float]:
        """From front to back."""
        return self.front_mm, self.middle_mm, self.behind_mm


def body_heights(
    volume: Volume, levels: Sequence[VertebraLevel], rules: EndplateRules
) -> dict[str, BodyHeights]:
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
        upper = find_endplate(volume, level, level.axes[2], above_mm)
        lower = find_endplate(volume, level, -level.axes[2], below_mm)
        found[level.name] = BodyHeights(
            *(
                upper.height_mm(place, rules) + lower.height_mm(place, rules)
                for place in (FRONT, MIDDLE, BEHIND)
            )
        )
    return found


def height_losses(heights: Mapping[str, BodyHeights]) -> dict[str, float]:
    """Share of its height that each body lacks, 0 or more: what quantitative morphometry compares.

    The larger of two, after Genant 1993 (doi 10.1002/jbmr.5650080915), who calls 20 % at any of the three places a
    fracture: each height against the median of the other levels' heights at that place, and the lower of front and
    middle against the higher of front and back, which needs no other level. Levels whose heights were not all
    read are left out: they are neither judged nor a measure for others.
    """
    read = {name: own for name, own in heights.items() if own.read}
    losses = {}
    for name, own in read.items():
        lacks = [0.0, 1.0 - min(own.front_mm, own.middle_mm) / max(own.front_mm, own.behind_mm)]
        others = np.array([other.in_order() for key, other in read.items() if key != name])
        if len(others):
            lacks += (1.0 - np.array(own.in_order()) / np.median(others, axis=0)).tolist()
        losses[name] = max(lacks)
    return losses


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
