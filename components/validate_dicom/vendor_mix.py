"""How far a batch's vendors lie from those of another batch, and whether that is more than chance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy.stats import chi2_contingency


class MixDifference(NamedTuple):
    """Total variation distance (0 to 1) and the p of a chi-square test that both batches have one mix."""

    distance: float
    p: float


def compare_mix(counts: Mapping[str, int], reference: Mapping[str, int]) -> MixDifference:
    """Compare two batches' numbers of rows by vendor.

    Notes
    -----
    Distance: half the sum of absolute differences of shares. p: chi-square test of homogeneity on the 2 x k table
    of counts, without continuity correction; 1 where both batches hold one and the same vendor only.

    Raises
    ------
    ValueError
        When one of the batches is empty.
    """
    names = sorted({name for mix in (counts, reference) for name, count in mix.items() if count > 0})
    table = np.array([[mix.get(name, 0) for name in names] for mix in (counts, reference)], dtype=float)
    if not names or (table.sum(axis=1) == 0).any():
        raise ValueError(f"a mix of no rows cannot be compared: {dict(counts)} and {dict(reference)}")
    shares = table / table.sum(axis=1, keepdims=True)
    distance = float(np.abs(shares[0] - shares[1]).sum() / 2)
    p = 1.0 if len(names) == 1 else float(chi2_contingency(table, correction=False).pvalue)
    return MixDifference(distance, p)
