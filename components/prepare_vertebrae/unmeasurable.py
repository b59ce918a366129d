"""Vertebrae that must not be measured: metal or cement, fracture, a strongly curved spine; found in the image."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from components.ingest_dicom.volume import Volume
from components.prepare_vertebrae.body_heights import body_heights, height_losses
from components.prepare_vertebrae.implants import cement_mm3, metal_mm3
from components.prepare_vertebrae.levels import VertebraLevel
from components.prepare_vertebrae.params import UnmeasurableRules
from components.prepare_vertebrae.scoliosis import lateral_curve_deg
from models.refusal import Code, Refusal


@dataclass(frozen=True)
class LevelEvidence:
    """What the image shows of one vertebra.

    Attributes
    ----------
    metal_mm3, cement_mm3
        Largest connected piece above the HU of metal at the vertebra, of cement in its body.
    height_loss
        Share of its height that the body lacks; NaN where heights could not be read.
    """

    metal_mm3: float
    cement_mm3: float
    height_loss: float


def level_evidence(
    volume: Volume, levels: Sequence[VertebraLevel], rules: UnmeasurableRules
) -> dict[str, LevelEvidence]:
    """Measure, by level name, what `refused_levels` judges.

    Heights are read on levels without metal or cement only: their streaks and edges are no endplates, and
    they are no measure for their neighbours.
    """
    metal = {level.name: metal_mm3(volume, level, rules.metal_hu) for level in levels}
    cement = {level.name: cement_mm3(volume, level, rules.cement_hu) for level in levels}
    plain = [
        level
        for level in levels
        if metal[level.name] < rules.metal_min_mm3 and cement[level.name] < rules.cement_min_mm3
    ]
    losses = height_losses(body_heights(volume, plain, rules.endplate))
    return {
        level.name: LevelEvidence(metal[level.name], cement[level.name], losses.get(level.name, math.nan))
        for level in levels
    }


def refused_levels(evidence: Mapping[str, LevelEvidence], rules: UnmeasurableRules) -> dict[str, Refusal]:
    """Level name to refusal (METAL_IN_VERTEBRA, VERTEBRA_FRACTURED) of those that must not be measured."""
    refused = {}
    for name, shown in evidence.items():
        if shown.metal_mm3 >= rules.metal_min_mm3:
            found = f"{shown.metal_mm3:.0f} mm3 above {rules.metal_hu:g} HU at {name}"
            found = f"{found}; accepted: below {rules.metal_min_mm3:g} mm3"
            refused[name] = Refusal(Code.METAL_IN_VERTEBRA, found)
        elif shown.cement_mm3 >= rules.cement_min_mm3:
            found = f"{shown.cement_mm3:.0f} mm3 above {rules.cement_hu:g} HU in the body of {name}"
            found = f"{found}; accepted: below {rules.cement_min_mm3:g} mm3"
            refused[name] = Refusal(Code.METAL_IN_VERTEBRA, found)
        elif shown.height_loss > rules.height_loss_max:
            found = f"{name} is {shown.height_loss:.0%} lower than its own back wall or the other levels"
            refused[name] = Refusal(
                Code.VERTEBRA_FRACTURED, f"{found}; accepted: at most {rules.height_loss_max:.0%}"
            )
    return refused


def unread_heights(evidence: Mapping[str, LevelEvidence], used: Iterable[str]) -> list[Refusal]:
    """HEIGHTS_NOT_READ with the levels, of those used, in which no fracture could be looked for; or nothing."""
    unread = [name for name in used if math.isnan(evidence[name].height_loss)]
    if not unread:
        return []
    return [Refusal(Code.HEIGHTS_NOT_READ, f"no fracture was looked for in {', '.join(unread)}")]


def refused_spine(levels: Sequence[VertebraLevel], rules: UnmeasurableRules) -> list[Refusal]:
    """SCOLIOSIS, or nothing."""
    curve_deg = lateral_curve_deg(levels)
    if curve_deg <= rules.curve_max_deg:
        return []
    found = f"the levels curve sideways by {curve_deg:.0f} degrees"
    return [Refusal(Code.SCOLIOSIS, f"{found}; accepted: at most {rules.curve_max_deg:g}")]
