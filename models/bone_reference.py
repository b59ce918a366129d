"""The one BMD scale (Hologic, lumbar spine) and the published cuts that labels are judged by."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from models.errors import InputError
from models.params import Section

DeviceFamily = Literal["hologic", "lunar"]
Number = TypeVar("Number", float, NDArray[np.float64])

# Lumbar spine BMD, Hologic from Lunar: Genant et al., J Bone Miner Res 1994;9:1503-1514. A published law,
# not a setting: another equation would be another scale, so params.yaml names it and does not repeat it.
LUNAR_TO_HOLOGIC_SLOPE = 0.906
LUNAR_TO_HOLOGIC_INTERCEPT_G_CM2 = -0.025

# A DXA value is written to 0.001 g/cm2; comparisons with a cut must not turn on the last bit of a float.
_ROUNDING_G_CM2 = 1e-6

_FAMILY_WORDS: dict[DeviceFamily, frozenset[str]] = {
    "hologic": frozenset({"hologic"}),
    "lunar": frozenset({"lunar", "idxa", "prodigy"}),
}


class DeviceUnknownError(InputError):
    """A DXA device for which no published conversion to the reference scale is held."""


class BoneReference(Section):
    """Young-adult reference that T-scores are taken against.

    Attributes
    ----------
    name
        As printed beside every T-score.
    peak_g_cm2, sd_g_cm2
        Mean and SD of L1-L4 BMD of young adults on the Hologic scale.
    source
        Where the two numbers come from.
    """

    name: str = Field(min_length=3)
    peak_g_cm2: float = Field(gt=0.5, lt=2.0)
    sd_g_cm2: float = Field(gt=0.02, lt=0.5)
    source: str = Field(min_length=3)


class YoungAdultMean(Section):
    """The Japanese criteria: percent of the young adult mean (YAM) of lumbar BMD.

    Attributes
    ----------
    mean_g_cm2
        YAM on the Hologic scale; None takes the peak of the T-score's reference, and reports say so.
    osteoporosis_percent
        At or below it: osteoporosis.
    low_bone_mass_percent
        Strictly below it: low bone mass or worse.
    source
        Where the two percentages come from.
    """

    mean_g_cm2: float | None = Field(gt=0.5, lt=2.0)
    osteoporosis_percent: float = Field(gt=50, lt=90)
    low_bone_mass_percent: float = Field(gt=50, lt=100)
    source: str = Field(min_length=3)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.osteoporosis_percent >= self.low_bone_mass_percent:
            raise ValueError("osteoporosis_percent must lie below low_bone_mass_percent")
        return self


class ScalesParams(Section):
    """Section `scales` of params.yaml.

    Attributes
    ----------
    reference
        See `BoneReference`.
    lunar_to_hologic
        Published conversion of lumbar BMD; the one that `to_hologic_g_cm2` holds.
    osteopenia_t, osteoporosis_t
        WHO cuts; at or below the first is 'osteopenia or worse', at or below the second 'osteoporosis'.
    tbs_impaired_below
        TBS strictly below it is impaired microarchitecture.
    tbs_degraded_below
        TBS strictly below it is degraded microarchitecture, the lower cut of the same source.
    tbs_alternatives_below
        Cuts of other sources, for sensitivity analysis.
    tbs_bmi_kg_m2
        Smallest and largest BMI for which TBS is defined; outside (and where BMI is unknown) it is not judged.
    young_adult_mean
        See `YoungAdultMean`.
    """

    reference: BoneReference
    lunar_to_hologic: Literal["genant_1994"]
    osteopenia_t: float = Field(ge=-3.0, le=0.0)
    osteoporosis_t: float = Field(ge=-5.0, le=-1.5)
    tbs_impaired_below: float = Field(ge=1.0, le=1.5)
    tbs_degraded_below: float = Field(ge=1.0, le=1.5)
    tbs_alternatives_below: tuple[float, ...]
    tbs_bmi_kg_m2: tuple[float, float]
    young_adult_mean: YoungAdultMean

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.tbs_degraded_below < self.tbs_impaired_below:
            raise ValueError("tbs_degraded_below must lie below tbs_impaired_below")
        if not all(1.0 <= cut <= 1.5 for cut in self.tbs_alternatives_below):
            raise ValueError("tbs_alternatives_below: cuts of TBS lie between 1.0 and 1.5")
        if not 10 <= self.tbs_bmi_kg_m2[0] < self.tbs_bmi_kg_m2[1] <= 60:
            raise ValueError("tbs_bmi_kg_m2: smallest and largest BMI, between 10 and 60 kg/m2")
        return self


def device_family(text: str | None) -> DeviceFamily | None:
    """Family of a DXA device from the free text a site writes.

    Parameters
    ----------
    text
        For example 'Hologic Horizon A', 'GE Lunar iDXA', 'Lunar Prodigy'.

    Returns
    -------
    str or None
        'hologic' or 'lunar'; None when neither, or both, are named: the scale is then not known.
    """
    words = set(re.findall(r"[a-z]+", str(text or "").lower()))
    families = [family for family, names in _FAMILY_WORDS.items() if words & names]
    return families[0] if len(families) == 1 else None


def unknown_devices(texts: Iterable[object]) -> str | None:
    """Says that DXA devices have no known scale, and what is accepted; None when all of `texts` have one."""
    unknown = sorted({str(text) for text in texts if device_family(str(text)) is None})
    if not unknown:
        return None
    return (
        f"DXA device {unknown[0]!r} ({len(unknown)} such) names no known scale; accepted: a text with "
        "Hologic, Lunar, iDXA or Prodigy"
    )


def to_hologic_g_cm2(value: Number, family: str | None) -> Number:
    """Lumbar spine BMD on the Hologic scale.

    Parameters
    ----------
    value
        BMD in g/cm2 on the device's own scale; a number or an array.
    family
        As `device_family` answers.

    Returns
    -------
    Same type as `value`, in g/cm2. Hologic = 0.906 Lunar - 0.025 (Genant et al. 1994).

    Raises
    ------
    DeviceUnknownError
        For any other family: a scale is never guessed.
    """
    if family == "hologic":
        return value
    if family == "lunar":
        return LUNAR_TO_HOLOGIC_SLOPE * value + LUNAR_TO_HOLOGIC_INTERCEPT_G_CM2
    raise DeviceUnknownError(
        f"DXA device family {family!r}: no published conversion; accepted: hologic, lunar"
    )


def t_score(bmd_g_cm2: Number, reference: BoneReference) -> Number:
    """T-score: (BMD - young-adult mean) / young-adult SD, both on the Hologic scale in g/cm2."""
    return (bmd_g_cm2 - reference.peak_g_cm2) / reference.sd_g_cm2


def bmd_at_t(t: float, reference: BoneReference) -> float:
    """BMD in g/cm2 at a T-score (the reference's own inverse)."""
    return round(reference.peak_g_cm2 + t * reference.sd_g_cm2, 6)


def is_osteopenia_or_worse(bmd_g_cm2: NDArray[np.float64], scales: ScalesParams) -> NDArray[np.bool_]:
    """True where T <= the osteopenia cut; NaN is an error of the caller."""
    return _at_or_below(bmd_g_cm2, bmd_at_t(scales.osteopenia_t, scales.reference))


def is_osteoporosis(bmd_g_cm2: NDArray[np.float64], scales: ScalesParams) -> NDArray[np.bool_]:
    """True where T <= the osteoporosis cut; NaN is an error of the caller."""
    return _at_or_below(bmd_g_cm2, bmd_at_t(scales.osteoporosis_t, scales.reference))


def is_impaired_tbs(tbs: NDArray[np.float64], scales: ScalesParams) -> NDArray[np.bool_]:
    """True where TBS is strictly below the cut; NaN is an error of the caller."""
    return is_tbs_below(tbs, scales.tbs_impaired_below)


def is_tbs_below(tbs: NDArray[np.float64], cut: float) -> NDArray[np.bool_]:
    """True where TBS is strictly below `cut`; NaN is an error of the caller."""
    values = np.asarray(tbs, dtype=np.float64)
    _require_numbers(values, "TBS")
    return values < cut - _ROUNDING_G_CM2


def tbs_is_judged(bmi_kg_m2: NDArray[np.float64], scales: ScalesParams) -> NDArray[np.bool_]:
    """True where TBS is defined: BMI known and within the scale's range, its ends included."""
    low, high = scales.tbs_bmi_kg_m2
    return (bmi_kg_m2 >= low) & (bmi_kg_m2 <= high)  # NaN compares false


def young_adult_mean_g_cm2(scales: ScalesParams) -> float:
    """The young adult mean that percentages are taken of."""
    mean = scales.young_adult_mean.mean_g_cm2
    return scales.reference.peak_g_cm2 if mean is None else mean


def bmd_at_yam_percent(percent: float, scales: ScalesParams) -> float:
    """BMD in g/cm2 at a percentage of the young adult mean."""
    return round(percent / 100 * young_adult_mean_g_cm2(scales), 6)


def is_yam_osteoporosis(bmd_g_cm2: NDArray[np.float64], scales: ScalesParams) -> NDArray[np.bool_]:
    """True at or below the percentage of osteoporosis; NaN is an error of the caller."""
    return _at_or_below(bmd_g_cm2, bmd_at_yam_percent(scales.young_adult_mean.osteoporosis_percent, scales))


def is_yam_low_bone_mass(bmd_g_cm2: NDArray[np.float64], scales: ScalesParams) -> NDArray[np.bool_]:
    """True strictly below the percentage of low bone mass; NaN is an error of the caller."""
    cut = bmd_at_yam_percent(scales.young_adult_mean.low_bone_mass_percent, scales)
    values = np.asarray(bmd_g_cm2, dtype=np.float64)
    _require_numbers(values, "BMD")
    return values < cut - _ROUNDING_G_CM2


def _at_or_below(bmd_g_cm2: NDArray[np.float64], cut_g_cm2: float) -> NDArray[np.bool_]:
    values = np.asarray(bmd_g_cm2, dtype=np.float64)
    _require_numbers(values, "BMD")
    return values <= cut_g_cm2 + _ROUNDING_G_CM2


def _require_numbers(values: NDArray[np.float64], what: str) -> None:
    if not np.isfinite(values).all():
        raise ValueError(f"{what} holds {int((~np.isfinite(values)).sum())} values that are not numbers")
