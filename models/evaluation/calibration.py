"""Cut-offs frozen on calibration patients."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.errors import InputError
from models.evaluation.settings import CutoffRule
from models.params import Section


class CalibrationError(InputError):
    """Too few calibration patients to freeze anything on."""


class FrozenCutoff(Section):
    """A cut-off on the estimate; at or below it the finding is called.

    Attributes
    ----------
    value
        In the unit of the estimate.
    method
        How it came about, in words.
    positives, n
        Calibration patients with the finding, and all of them.
    """

    value: float
    method: str
    positives: int
    n: int


def freeze_cutoff(
    positive: NDArray[np.bool_],
    predicted: NDArray[np.float64],
    rule: CutoffRule,
    *,
    reference_cut: float,
    minimum_class: int,
) -> FrozenCutoff:
    """Cut-off on (n,) estimates by `rule`; low estimates call the finding.

    Cuts lie halfway between neighbouring estimates, so that no calibration patient sits on one. Where a class
    has fewer than `minimum_class` patients, or the estimates are all the same, nothing can be learnt and the
    published cut is taken as it is.
    """
    n, positives = len(predicted), int(positive.sum())
    levels = np.unique(predicted)
    if min(positives, n - positives) < minimum_class or len(levels) < 2:
        why = f"published cut as it is: {positives} of {n} calibration patients have the finding"
        return FrozenCutoff(value=reference_cut, method=why, positives=positives, n=n)
    cuts = (levels[1:] + levels[:-1]) / 2
    called = predicted[None, :] <= cuts[:, None]
    sensitivity = called[:, positive].mean(axis=1)
    specificity = 1 - called[:, ~positive].mean(axis=1)
    if rule.method == "youden":
        gain = sensitivity + specificity - 1
        best = int(np.flatnonzero(gain >= gain.max() - 1e-12)[-1])  # of equals the one that misses fewest
        return FrozenCutoff(value=float(cuts[best]), method="Youden", positives=positives, n=n)
    target = float(rule.sensitivity or 1.0)
    enough = np.flatnonzero(sensitivity >= target - 1e-12)
    cut = float(cuts[enough[0]]) if len(enough) else float(levels[-1])
    return FrozenCutoff(value=cut, method=f"sensitivity at least {target:.0%}", positives=positives, n=n)
