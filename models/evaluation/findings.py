"""The findings that are judged: who has one by DXA, and which way an estimate points to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.bone_reference import (
    ScalesParams,
    bmd_at_t,
    bmd_at_yam_percent,
    is_impaired_tbs,
    is_osteopenia_or_worse,
    is_osteoporosis,
    is_tbs_below,
    is_yam_low_bone_mass,
    is_yam_osteoporosis,
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

    def called(self, estimates: NDArray[np.float64], cutoff: float) -> NDArray[np.bool_]:
        """Who is called at a cut-off, as `models.decision` calls it: BMD at or below it, TBS below it."""
        return estimates <= cutoff if self.target == "bmd" else estimates < cutoff


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


def alternative_findings(scales: ScalesParams) -> tuple[Finding, ...]:
    """The other published cuts of `scales`, for sensitivity analysis; they decide nothing."""
    yam = scales.young_adult_mean
    return (
        _tbs_below("degraded_tbs", f"degraded microarchitecture (TBS < {scales.tbs_degraded_below:.2f})",
                   scales.tbs_degraded_below),
        *(
            _tbs_below(f"tbs_below_{cut:.2f}".replace(".", "_"), f"TBS < {cut:.2f}", cut)
            for cut in scales.tbs_alternatives_below
        ),
        Finding(
            "yam_osteoporosis",
            f"osteoporosis, {yam.osteoporosis_percent:g} % of the young adult mean or less",
            "bmd",
            is_yam_osteoporosis,
            lambda given: bmd_at_yam_percent(given.young_adult_mean.osteoporosis_percent, given),
        ),
        Finding(
            "yam_low_bone_mass",
            f"low bone mass or worse, under {yam.low_bone_mass_percent:g} % of the young adult mean",
            "bmd",
            is_yam_low_bone_mass,
            lambda given: bmd_at_yam_percent(given.young_adult_mean.low_bone_mass_percent, given),
        ),
    )  # fmt: skip


def _tbs_below(name: str, title: str, cut: float) -> Finding:
    return Finding(name, title, "tbs", lambda values, scales: is_tbs_below(values, cut), lambda scales: cut)
