"""The monitored features: add one line to `FEATURES` to watch another column of the prediction log."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How a feature is compared: numbers by Kolmogorov-Smirnov, categories by a two-sample chi-square."""

    NUMBER = "number"
    CATEGORY = "category"


class Group(StrEnum):
    """What a feature can tell: image statistics do not depend on bone, so they point at the scanner."""

    IMAGE = "image"
    ACQUISITION = "acquisition"
    BONE = "bone"
    OUTPUT = "output"


@dataclass(frozen=True)
class Feature:
    """One monitored column of the prediction log.

    Attributes
    ----------
    name
        Column of the log.
    label, unit, digits
        For people; `digits` after the decimal point.
    """

    name: str
    label: str
    unit: str
    kind: Kind
    group: Group
    digits: int = 0


FEATURES: tuple[Feature, ...] = (
    Feature("soft_tissue_peak_hu", "soft tissue peak", "HU", Kind.NUMBER, Group.IMAGE, 1),
    Feature("fat_peak_hu", "fat peak", "HU", Kind.NUMBER, Group.IMAGE, 1),
    Feature("noise_hu", "noise", "HU", Kind.NUMBER, Group.IMAGE, 1),
    Feature("kvp", "tube voltage", "kV", Kind.CATEGORY, Group.ACQUISITION),
    Feature("kernel_class", "kernel", "", Kind.CATEGORY, Group.ACQUISITION),
    Feature("slice_thickness_mm", "slice thickness", "mm", Kind.NUMBER, Group.ACQUISITION, 2),
    Feature("pixel_spacing_mm", "pixel spacing", "mm", Kind.NUMBER, Group.ACQUISITION, 2),
    Feature("trabecular_hu", "trabecular bone", "HU", Kind.NUMBER, Group.BONE, 1),
    Feature("bmd_g_cm2", "estimated BMD", "g/cm2", Kind.NUMBER, Group.OUTPUT, 3),
    Feature("tbs", "estimated TBS", "", Kind.NUMBER, Group.OUTPUT, 3),
)
