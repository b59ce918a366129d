"""One answered study as the prediction log keeps it."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

from models.params import Section


class Source(StrEnum):
    """Where an answer was asked for."""

    TRAFFIC_REFERENCE = "traffic-reference"
    TRAFFIC_CURRENT = "traffic-current"
    PREDICT = "predict"
    GATEWAY = "gateway"


def _nan_is_missing(value: object) -> object:
    return None if isinstance(value, float) and value != value else value


def _as_utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


Measured = Annotated[float | None, BeforeValidator(_nan_is_missing)]


class PredictionRow(Section):
    """One row of table `predictions`; NaN is kept as missing.

    Attributes
    ----------
    timestamp
        When the answer was given, with a time zone.
    study
        Keyed hash of the study, never an identifier.
    soft_tissue_peak_hu, fat_peak_hu, noise_hu
        Image statistics of the body, which do not depend on bone.
    trabecular_hu
        Mean over the levels.
    bmd_interval_width_g_cm2, tbs_interval_width
        Upper minus lower prediction limit.
    flag
        True: get a DXA.
    data_kind
        simulated or site.
    """

    timestamp: Annotated[AwareDatetime, AfterValidator(_as_utc)]
    study: str = Field(min_length=1)
    vendor: str
    model: str = ""
    kvp: Measured = None
    kernel_class: str = "unknown"
    slice_thickness_mm: Measured = None
    pixel_spacing_mm: Measured = None
    soft_tissue_peak_hu: Measured = None
    fat_peak_hu: Measured = None
    noise_hu: Measured = None
    trabecular_hu: Measured = None
    bmd_g_cm2: Measured = None
    tbs: Measured = None
    bmd_interval_width_g_cm2: Measured = None
    tbs_interval_width: Measured = None
    flag: bool
    model_version: str
    latency_ms: Measured = None
    source: Source
    data_kind: str


class OutcomeRow(Section):
    """A DXA exam that came later, joined to an answer by the study's hash."""

    study: str = Field(min_length=1)
    exam_date: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")
    dxa_device: str
    bmd_l1_l4_g_cm2: Measured = None
    tbs_l1_l4: Measured = None
