"""The three findings that are judged: who has one by DXA, and which way an estimate points to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.bone_reference import (
    ScalesParams,
    bmd_at_t,
    is_impaired_tbs,
    is_osteopenia_or_worse,
    is_osteoporosis,
)

Truth = Callable[[NDArray[np.float64], ScalesParams], NDArray[np.bool_]]


class Finding(NamedTuple):
    """One finding.

    Attributes
    ----------
    name
        As in the report's keys.
    title
        For people.
    target
        'bmd' or 'tbs': which estimate it is called on, low values calling it.
    truth
        From reference values (n,) to who has it.
    reference_cut
        The published cut on the reference scale.
    """

    name: str
    title: str
    target: str
    truth: Truth
    reference_cut: Callable[[ScalesParams], float]


FINDINGS: tuple[Finding, ...] = (
    Finding(
        "osteopenia",
        "osteopenia or worse",
        "bmd",
        is_osteopenia_or_worse,
        lambda scales: bmd_at_t(scales.osteopenia_t, scales.reference),
    ),
    Finding(
        "osteoporosis",
        "osteoporosis",
        "bmd",
        is_osteoporosis,
        lambda scales: bmd_at_t(scales.osteoporosis_t, scales.reference),
    ),
    Finding(
        "impaired_tbs",
        "impaired microarchitecture",
        "tbs",
        is_impaired_tbs,
        lambda scales: scales.tbs_impaired_below,
    ),
)
