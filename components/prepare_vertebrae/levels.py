"""The levels of one spine: where each vertebral body is and how it is turned, and what contradicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from components.ingest_dicom.volume import Volume
from components.prepare_vertebrae.params import LevelRules
from models.levels import LEVELS
from models.refusal import Code, refuse

Centres = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class VertebraLevel:
    """One vertebra to be measured.

    Attributes
    ----------
    name
        L1..L4.
    centre_lps_mm
        (3,) centre of the vertebral body, patient coordinates LPS, mm.
    axes
        (3, 3) unit rows: to the patient's left, to the back parallel to the endplates, and cranial.
        The identity for an untilted vertebra. Turned in the sagittal plane only.
    """

    name: str
    centre_lps_mm: NDArray[np.float64]
    axes: NDArray[np.float64]


def spine_levels(centres: Centres, rules: LevelRules, *, source: str) -> tuple[VertebraLevel, ...]:
    """Levels in cranio-caudal order, with axes from the curve through the centres.

    Parameters
    ----------
    centres
        (3,) LPS mm by level name; names beyond L1-L4 are not used.
    source
        What the centres were read from, for messages.

    Raises
    ------
    RefusedError
        LEVELS_MISSING, LEVELS_TOO_FEW or LEVELS_AMBIGUOUS.
    """
    names = [name for name in LEVELS if name in centres]
    if not names:
        raise refuse(Code.LEVELS_MISSING, f"{source}: names none of {', '.join(LEVELS)}")
    if len(names) < rules.minimum_levels:
        raise refuse(Code.LEVELS_TOO_FEW, f"{source}: only {', '.join(names)}")
    points = np.array([centres[name] for name in names], dtype=np.float64)
    if not np.isfinite(points).all():
        raise refuse(Code.LEVELS_UNREADABLE, f"{source}: a centre is not a finite number")
    _check_spacing(names, points, rules, source)
    axes = _curve_axes(points)
    return tuple(
        VertebraLevel(name, point, own) for name, point, own in zip(names, points, axes, strict=True)
    )


def _check_spacing(names: list[str], points: NDArray[np.float64], rules: LevelRules, source: str) -> None:
    """Refuse an order along z that is not cranio-caudal, and spacing no lumbar spine has."""
    per_level = []
    for (upper, above), (lower, below) in pairwise(zip(names, points, strict=True)):
        if above[2] <= below[2]:
            raise refuse(Code.LEVELS_AMBIGUOUS, f"{source}: {upper} does not lie above {lower} along z")
        steps = LEVELS.index(lower) - LEVELS.index(upper)
        spacing_mm = float(np.linalg.norm(above - below)) / steps
        if not rules.spacing_min_mm <= spacing_mm <= rules.spacing_max_mm:
            raise refuse(
                Code.LEVELS_AMBIGUOUS,
                f"{source}: {upper} to {lower} is {spacing_mm:.1f} mm a level, "
                f"accepted {rules.spacing_min_mm:g}-{rules.spacing_max_mm:g} mm",
            )
        per_level.append(spacing_mm)
    ratio = max(per_level) / min(per_level)
    if ratio > rules.spacing_ratio_max:
        raise refuse(
            Code.LEVELS_AMBIGUOUS,
            f"{source}: spacing is uneven, largest {max(per_level):.1f} mm, smallest {min(per_level):.1f} mm",
        )


def _curve_axes(points: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Axes (3, 3) at each of (n, 3) centres, from a smoothing parabola y(z) in the sagittal plane.

    One quadratic segment instead of an interpolating spline: centres read by eye are 5 mm off, which turns
    the ends of an interpolating spline by 10 degrees and more, a least-squares parabola by a few.
    """
    height_mm = points[:, 2] - points[:, 2].mean()
    degree = min(2, len(points) - 1)
    curve = np.polynomial.Polynomial.fit(height_mm, points[:, 1], degree)
    slopes = curve.deriv()(height_mm)
    axes = []
    for slope in slopes:
        cranial = np.array([0.0, slope, 1.0]) / np.hypot(slope, 1.0)
        back = np.array([0.0, cranial[2], -cranial[1]])
        axes.append(np.array([[1.0, 0.0, 0.0], back, cranial]))
    return axes


def check_in_view(levels: tuple[VertebraLevel, ...], volume: Volume, *, source: str) -> None:
    """Refuse levels of which fewer than two lie inside of the volume.

    Raises
    ------
    RefusedError
        LEVELS_NOT_IN_VIEW naming the levels that lie outside.
    """
    outside = []
    for level in levels:
        index = volume.lps_to_index(level.centre_lps_mm)
        if np.any(index < -0.5) or np.any(index > np.array(volume.hu.shape) - 0.5):
            outside.append(level.name)
    if len(levels) - len(outside) < 2:
        raise refuse(Code.LEVELS_NOT_IN_VIEW, f"{source}: {', '.join(outside)} outside of the images")
