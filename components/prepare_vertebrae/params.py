"""Section `prepare` of params.yaml."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from models.crop_store import SPLITS, CropGeometry
from models.params import Section


class LevelRules(Section):
    """When named levels contradict one another.

    Attributes
    ----------
    spacing_min_mm, spacing_max_mm
        Accepted distance between centres of neighbouring levels.
    spacing_ratio_max
        Accepted ratio of the largest to the smallest distance of one spine.
    minimum_levels
        Evaluable levels that an answer or a label needs.
    """

    spacing_min_mm: float = Field(gt=0)
    spacing_max_mm: float = Field(gt=0)
    spacing_ratio_max: float = Field(gt=1)
    minimum_levels: int = Field(ge=2, le=4)


class TrabecularRegion(Section):
    """Elliptical cylinder of trabecular bone in the front of the body; half lengths in mm."""

    lateral_mm: float = Field(gt=0)
    anteroposterior_mm: float = Field(gt=0)
    craniocaudal_mm: float = Field(gt=0)
    anterior_shift_mm: float = Field(ge=0)


class SplitFractions(Section):
    """Shares of patients; the salt draws the assignment and never changes for a growing data set."""

    train: float = Field(gt=0, lt=1)
    validation: float = Field(gt=0, lt=1)
    calibration: float = Field(gt=0, lt=1)
    test: float = Field(gt=0, lt=1)
    salt: str

    @model_validator(mode="after")
    def _sum_to_one(self) -> Self:
        total = sum(self.in_order())
        if abs(total - 1.0) > 1e-9:
            raise ValueError(f"fractions of {', '.join(SPLITS)} must sum to 1; they sum to {total:g}")
        return self

    def in_order(self) -> tuple[float, ...]:
        """Fractions in the order of `SPLITS`."""
        return tuple(float(getattr(self, name)) for name in SPLITS)


class PrepareParams(Section):
    """All of section `prepare`.

    Attributes
    ----------
    lateral_offset_mm
        Training crops are taken at 0 and at plus and minus this offset; others at 0 only.
    coverage_tolerance_mm
        How far a crop may reach beyond the outermost slice or pixel.
    level_scheme
        Numbering of the cohort's label maps; None when it has none (SEG and tables need no scheme).
    """

    geometry: CropGeometry
    lateral_offset_mm: float = Field(gt=0, le=12)
    coverage_tolerance_mm: float = Field(ge=0, le=10)
    level_scheme: Literal["totalseg", "verse"] | None = None
    levels: LevelRules
    trabecular: TrabecularRegion
    split: SplitFractions
