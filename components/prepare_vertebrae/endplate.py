"""An endplate of a vertebral body: where it is found in the image, and whether it is seen there at all."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from components.ingest_dicom.volume import Volume
from components.prepare_vertebrae.crops import sample_hu
from components.prepare_vertebrae.levels import VertebraLevel
from components.prepare_vertebrae.params import EndplateRules

# Places in the body's own axes, mm: a body is 41-48 mm wide and 31-34 mm deep (Panjabi 1992).
LATERAL_MM = np.arange(-8.0, 8.1, 2.0)  # averaged: the middle third, where heights are read on a lateral view
BACK_MM = np.arange(-12.0, 12.1, 1.0)
STEP_MM = 0.5  # along the body's axis
NEAREST_MM = 2.0  # of an endplate to the centre
INTO_DISC_MM = 2.0  # an endplate is looked for this far beyond the middle of the disc
FARTHEST_MM = 26.0
EDGE_MM = 2.0  # bone on one side and disc on the other are compared at this distance
SMOOTHING_MM = 0.75


@dataclass(frozen=True)
class Endplate:
    """The path of the steepest fall from bone to disc, and how well two halves of the image agree on it.

    Attributes
    ----------
    distance_mm
        (V,) from the body's centre, from front to back (`BACK_MM`).
    apart_mm
        (V,) between the paths found in either half of the lateral positions alone.
    fall_hu
        Mean fall along the path of one half, read in the other half: chance falls by 0.
    fall_se_hu
        Its standard error, from the spread over the lateral positions.
    """

    distance_mm: NDArray[np.float64]
    apart_mm: NDArray[np.float64]
    fall_hu: float
    fall_se_hu: float

    def height_mm(self, place: tuple[float, float], rules: EndplateRules) -> float:
        """Mean distance between two places from front to back; NaN where no endplate is seen."""
        here = (place[0] <= BACK_MM) & (place[1] >= BACK_MM)
        falls = self.fall_hu >= max(rules.fall_min_hu, rules.fall_min_se * self.fall_se_hu)
        if not falls or self.apart_mm[here].mean() > rules.apart_max_mm:
            return math.nan
        return float(self.distance_mm[here].mean())


def find_endplate(
    volume: Volume, level: VertebraLevel, along: NDArray[np.float64], disc_mm: NDArray[np.float64]
) -> Endplate:
    """Look for the endplate of a body along a direction.

    A path is found in any image, noise included. Noise has no place of its own: the path that one half of the
    lateral positions shows neither falls in the other half nor runs where the other half's own does.

    Parameters
    ----------
    along
        (3,) the body's axis, up or down.
    disc_mm
        (V,) to the middle of the disc.
    """
    reach_mm = np.arange(0.0, FARTHEST_MM + EDGE_MM + STEP_MM / 2, STEP_MM)
    left, back, _ = level.axes
    points = (
        level.centre_lps_mm
        + LATERAL_MM[:, None, None, None] * left
        + BACK_MM[None, :, None, None] * back
        + reach_mm[None, None, :, None] * along
    )
    slabs = gaussian_filter1d(sample_hu(volume, points).astype(np.float64), SMOOTHING_MM / STEP_MM, axis=2)
    edge = round(EDGE_MM / STEP_MM)
    fall = np.zeros(slabs.shape)
    fall[..., edge:-edge] = slabs[..., : -2 * edge] - slabs[..., 2 * edge :]
    farthest_mm = np.minimum(disc_mm + INTO_DISC_MM, FARTHEST_MM)
    outside = (reach_mm[None, :] < NEAREST_MM) | (reach_mm[None, :] > farthest_mm[:, None])

    def path(mean_fall: NDArray[np.float64]) -> NDArray[np.intp]:
        return _best_path(np.where(outside, -1e6, mean_fall))  # HU: no edge in the image makes up for it

    places = np.arange(len(BACK_MM))
    whole = path(fall.mean(axis=0))
    first, second = fall[0::2].mean(axis=0), fall[1::2].mean(axis=0)
    of_first, of_second = path(first), path(second)
    held_out = (first[places, of_second] + second[places, of_first]) / 2
    spread = fall.std(axis=0, ddof=1)[places, whole]
    return Endplate(
        distance_mm=reach_mm[whole],
        apart_mm=np.abs(reach_mm[of_first] - reach_mm[of_second]),
        fall_hu=float(held_out.mean()),
        fall_se_hu=float(spread.mean()) / math.sqrt(len(LATERAL_MM)),
    )


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
