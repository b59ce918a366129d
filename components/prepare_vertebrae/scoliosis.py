"""How much a row of vertebrae curves to the side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from components.prepare_vertebrae.levels import VertebraLevel


def lateral_curve_deg(levels: Sequence[VertebraLevel]) -> float:
    """Angle between the uppermost and the lowest level, seen from the front: a Cobb angle of what is in view.

    From the slopes of a least-squares parabola through the body centres, as the axes of the levels are; the
    angle of a curve that reaches beyond L1-L4 is larger. 0 for two levels, which show no curve.
    """
    points = np.array([level.centre_lps_mm for level in levels])
    if len(points) < 3:
        return 0.0
    height_mm = points[:, 2] - points[:, 2].mean()
    slopes = np.polynomial.Polynomial.fit(height_mm, points[:, 0], 2).deriv()(height_mm)
    leaning_deg = np.degrees(np.arctan(slopes))
    return float(np.ptp(leaning_deg))
