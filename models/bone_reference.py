"""The one BMD scale (Hologic, lumbar spine) and the published cuts that labels are judged by."""

from __future__ import annotations

import re
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from models.errors import InputError
from models.params import Section

DeviceFamily = Literal["hologic", "lunar"]
Number = TypeVar("Number", float, NDArray[np.float64])

# Lumbar spine BMD, Hologic from Lunar: Genant et al., J Bone Miner Res 1994;9:1503-1514. A published law,
# not a setting: another equation would be another scale.
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


class ScalesParams(Section):
    """Section `scales` of params.yaml.

    Attributes
    ----------
    reference
        See `BoneReference`.
    osteopenia_t, osteoporosis_t
        WHO cuts; at or below the first is 'osteopenia or worse', at or below the second 'osteoporosis'.
    tbs_impaired_below
        TBS strictly below it is impaired microarchitecture.
    """

    reference: BoneReference
    osteopenia_t: float = Field(ge=-3.0, le=0.0)
    osteoporosis_t: float = Field(ge=-5.0, le=-1.5)
    tbs_impaired_below: float = Field(ge=1.0, le=1.5)


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
    values = np.asarray(tbs, dtype=np.float64)
    _require_numbers(values, "TBS")
    return values < scales.tbs_impaired_below - _ROUNDING_G_CM2


def _at_or_below(bmd_g_cm2: NDArray[np.float64], cut_g_cm2: float) -> NDArray[np.bool_]:
    values = np.asarray(bmd_g_cm2, dtype=np.float64)
    _require_numbers(values, "BMD")
    return values <= cut_g_cm2 + _ROUNDING_G_CM2


def _require_numbers(values: NDArray[np.float64], what: str) -> None:
    if not np.isfinite(values).all():
        raise ValueError(f"{what} holds {int((~np.isfinite(values)).sum())} values that are not numbers")
