"""Section `simulate` of params.yaml: what a user may choose about a simulated cohort."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from components.simulate_cohort.planned_defects import DEFECTS
from components.simulate_cohort.scanner import VENDORS
from models.params import Section

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class SimulateParams(Section):
    """Size, seed and profile of the cohort; the physics is frozen in constants.py.

    Attributes
    ----------
    patients, seed
        Number of patients and the seed everything follows from.
    matrix
        Rows and columns of a slice.
    pixel_spacing_mm
        Smallest and largest pixel.
    vendor_mix
        Relative weight per vendor.
    rle_share
        Share of series stored RLE-compressed; the rest is uncompressed.
    defects
        Share of patients that carry each planted defect (rounded to whole patients).
    """

    patients: int = Field(ge=1, le=100_000)
    seed: int = Field(ge=0, lt=2**32)
    matrix: int = Field(ge=128, le=512)
    pixel_spacing_mm: tuple[float, float]
    vendor_mix: dict[str, Annotated[float, Field(ge=0.0)]]
    rle_share: Share
    defects: dict[str, Share]

    @field_validator("vendor_mix", "defects")
    @classmethod
    def _in_order_of_name(cls, shares: dict[str, float]) -> dict[str, float]:
        """The order in which a file names them must not change a byte of the cohort."""
        return dict(sorted(shares.items()))

    @model_validator(mode="after")
    def _known_names(self) -> Self:
        low, high = self.pixel_spacing_mm
        if not 0.4 <= low <= high <= 1.0:
            raise ValueError("pixel_spacing_mm must be two ascending numbers within 0.4-1.0")
        unknown = sorted(set(self.vendor_mix) - set(VENDORS))
        if unknown or sum(self.vendor_mix.values()) <= 0:
            raise ValueError(f"vendor_mix must weight some of {', '.join(VENDORS)}; unknown: {unknown}")
        strange = sorted(set(self.defects) - set(DEFECTS))
        if strange:
            raise ValueError(f"defects: unknown {strange}; accepted: {', '.join(DEFECTS)}")
        if sum(self.defects.values()) > 0.9:
            raise ValueError("defects: shares add up to more than 0.9")
        return self
