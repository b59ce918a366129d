"""Half-widths of the prediction intervals, frozen on calibration patients by split conformal prediction."""

from __future__ import annotations

import math

import numpy as np
from crepes import ConformalRegressor
from numpy.typing import NDArray

from models.evaluation.calibration import CalibrationError

_ROUNDING = 1e-9  # of float arithmetic with a coverage


def conformal_half_width(
    truth: NDArray[np.float64], predicted: NDArray[np.float64], coverage: float
) -> float:
    """Half-width h such that predicted -+ h holds the truth of a new patient with at least `coverage`.

    Split conformal prediction (crepes) with absolute residuals of (n,) calibration patients: their
    ceil((n + 1) coverage)-th smallest (Vovk et al. 2005; Lei et al., JASA 2018).

    Raises
    ------
    CalibrationError
        When n is too small for any finite interval of that coverage.
    """
    n = len(truth)
    if conformal_rank(n, coverage) > n:
        needed = math.ceil(coverage / (1 - coverage) - _ROUNDING)
        raise CalibrationError(
            f"{n} calibration patients; a {coverage:.0%} interval needs at least {needed}: "
            "add patients, or lower evaluate.interval_coverage"
        )
    regressor = ConformalRegressor().fit(residuals=truth - predicted)
    # crepes takes int((1 - confidence) (n + 1)); 1 - 0.9 is a hair below 0.1, which would cost a rank
    low, high = regressor.predict_int(np.zeros(1), confidence=coverage - _ROUNDING)[0]
    return float(high - low) / 2


def conformal_rank(n: int, coverage: float) -> int:
    """Which of n ordered residuals is the half-width: ceil((n + 1) coverage); above n there is none."""
    return math.ceil((n + 1) * coverage - _ROUNDING)
