"""The levels of one spine: where each vertebral body is and how it is turned, and what contradicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from components.ingest_dicom.volume import Volume
from components.prepare_vertebrae.numbering import numbering_flags
from components.prepare_vertebrae.params import LevelRules
from components.prepare_vertebrae.spine_labels import Centres, SpineLabels
from models.levels import LEVELS
from models.refusal import Code, Refusal, RefusedError, refuse

PAIR = 2
NEIGHBOURS = ("T11", "T12", *LEVELS, "L5")


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
    cut
        Why the body is not whole in the images; "" when it is, or when only its centre is known.
    """

    name: str
    centre_lps_mm: NDArray[np.float64]
    axes: NDArray[np.float64]
    cut: str = ""


@dataclass(frozen=True)
class Spine:
    """The levels of one spine, and what a person should know about their numbering.

    Attributes
    ----------
    flags
        LEVELS_COUNT_UNUSUAL, LEVELS_RIBS_UNUSUAL; the levels are used all the same.
    """

    levels: tuple[VertebraLevel, ...]
    flags: tuple[Refusal, ...] = field(default=())


def spine_of(labels: SpineLabels, rules: LevelRules, *, source: str, volume: Volume | None = None) -> Spine:
    """Levels with axes, bodies that the images cut marked as such, and flags on the numbering.

    Parameters
    ----------
    volume
        The images that the levels are for; without it, only a label map's own ends can cut a body.

    Raises
    ------
    RefusedError
        As `spine_levels`; the flags themselves where `rules.unusual_numbering` is `refuse`.
    """
    cut = dict(labels.cut)
    for name, body in labels.bodies.items():
        # what lies outside altogether is not cut: `check_in_view` says so
        seen = volume is not None and volume.contains(body.centre_lps_mm)
        if volume is not None and seen and name not in cut and body.reaches_end_of(volume):
            cut[name] = f"{name} reaches the end of the images"
    levels = spine_levels(labels.centres, rules, source=source, cut=cut)
    flags = numbering_flags(labels, source=source)
    if flags and rules.unusual_numbering == "refuse":
        raise RefusedError(*flags)
    return Spine(levels, flags)


def spine_levels(
    centres: Centres, rules: LevelRules, *, source: str, cut: Mapping[str, str] | None = None
) -> tuple[VertebraLevel, ...]:
    """Levels in cranio-caudal order, with axes from the curve through the centres.

    Parameters
    ----------
    centres
        (3,) LPS mm by name; of names beyond L1-L4 only the order is looked at.
    source
        What the centres were read from, for messages.
    cut
        Why a body is not whole, by name; its centre then takes no part in spacing and axes.

    Raises
    ------
    RefusedError
        LEVELS_MISSING, LEVELS_TOO_FEW (also two that are no neighbours, with nothing beside them),
        LEVELS_AMBIGUOUS, or VERTEBRA_CUT when too few are whole.
    """
    cut = cut or {}
    names = [name for name in LEVELS if name in centres]
    if not names:
        raise refuse(Code.LEVELS_MISSING, f"{source}: names none of {', '.join(LEVELS)}")
    if len(names) < rules.minimum_levels:
        raise refuse(Code.LEVELS_TOO_FEW, f"{source}: only {', '.join(names)}")
    points = np.array([centres[name] for name in names], dtype=np.float64)
    if not np.isfinite(points).all():
        raise refuse(Code.LEVELS_UNREADABLE, f"{source}: a centre is not a finite number")
    whole = np.array([name not in cut for name in names])
    if whole.sum() < rules.minimum_levels:
        raise refuse(Code.VERTEBRA_CUT, f"{source}: " + "; ".join(cut[name] for name in names if name in cut))
    _check_order(centres, cut, source)
    _check_spacing([name for name in names if name not in cut], points[whole], rules, source)
    curve = _points_of_curve(centres, [name for name in names if name not in cut], cut, rules)
    if curve is None:
        pair = " and ".join(name for name in names if name not in cut)
        raise refuse(
            Code.LEVELS_TOO_FEW,
            f"{source}: {pair} alone do not tell how they are turned; a level between them, T12 or L5 would",
        )
    axes = _curve_axes(curve, points[:, 2])
    return tuple(
        VertebraLevel(name, point, own, cut.get(name, ""))
        for name, point, own in zip(names, points, axes, strict=True)
    )


def _check_order(centres: Centres, cut: Mapping[str, str], source: str) -> None:
    """Refuse neighbours (T11, T12, L5) on the wrong side of L1-L4."""
    named = [name for name in NEIGHBOURS if name in centres and name not in cut]
    for upper, lower in pairwise(named):
        if {upper, lower} <= set(LEVELS):
            continue  # `_check_spacing` looks at these
        if not centres[upper][2] > centres[lower][2]:
            raise refuse(Code.LEVELS_AMBIGUOUS, f"{source}: {upper} does not lie above {lower} along z")


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


def _points_of_curve(
    centres: Centres, whole: list[str], cut: Mapping[str, str], rules: LevelRules
) -> NDArray[np.float64] | None:
    """Centres (n, 3) that the curve of the spine is laid through; None when they leave it open.

    T12 and L5 take part where `rules.axes_from` says so, and always where fewer than three levels are whole: the
    line through two of them errs by half the angle between them, 3-5 degrees for neighbours, 9-14 for L1 and L4
    (95th percentile of 300 simulated spines).
    """
    points = [centres[name] for name in whole]
    wanted = rules.axes_from == "neighbours" or len(whole) <= PAIR
    for name, beside, place in (("T12", "L1", 0), ("L5", "L4", len(points))):
        if not wanted or name not in centres or name in cut or beside not in whole:
            continue
        away_mm = float(np.linalg.norm(centres[name] - centres[beside]))
        if rules.spacing_min_mm <= away_mm <= rules.spacing_max_mm:
            points.insert(place, centres[name])
    apart = LEVELS.index(whole[-1]) - LEVELS.index(whole[0])
    return None if len(points) == PAIR and apart > 1 else np.array(points, dtype=np.float64)


def _curve_axes(points: NDArray[np.float64], at_z_mm: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Axes (3, 3) at each of the given heights, from a smoothing parabola y(z) through (n, 3) centres.

    With T12 and L5 beside all four it is a cubic: the spine bends there from hollow to hunched.

    One quadratic segment instead of an interpolating spline: centres read by eye are 5 mm off, which turns
    the ends of an interpolating spline by 10 degrees and more, a least-squares parabola by a few.
    """
    height_mm = points[:, 2] - points[:, 2].mean()
    degree = 3 if len(points) > len(LEVELS) + 1 else min(2, len(points) - 1)
    curve = np.polynomial.Polynomial.fit(height_mm, points[:, 1], degree)
    slopes = curve.deriv()(at_z_mm - points[:, 2].mean())
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
