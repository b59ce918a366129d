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
    axes_from
        What the curve that turns the crops is laid through: L1-L4 alone, or T12 and L5 as well where they are named.
    unusual_numbering
        What an L6, a T13, a missing L5 or ribless T12 does: flag the series, or refuse it.
    """

    spacing_min_mm: float = Field(gt=0)
    spacing_max_mm: float = Field(gt=0)
    spacing_ratio_max: float = Field(gt=1)
    minimum_levels: int = Field(ge=2, le=4)
    axes_from: Literal["l1_l4", "neighbours"] = "neighbours"
    unusual_numbering: Literal["flag", "refuse"] = "flag"


class TrabecularRegion(Section):
    """Elliptical cylinder of trabecular bone in the front of the body; half lengths in mm."""

    lateral_mm: float = Field(gt=0)
    anteroposterior_mm: float = Field(gt=0)
    craniocaudal_mm: float = Field(gt=0)
    anterior_shift_mm: float = Field(ge=0)


class EndplateRules(Section):
    """When an endplate is seen: otherwise the height of the body is not read, and nothing is said of a fracture.

    Attributes
    ----------
    fall_min_hu, fall_min_se
        Fall of HU from bone to disc, at least; the same in standard errors of the image's own noise.
    apart_max_mm
        How far apart two halves of the body may place it.
    """

    fall_min_hu: float = Field(gt=0, le=200)
    fall_min_se: float = Field(ge=2)
    apart_max_mm: float = Field(gt=0, le=3)


class UnmeasurableRules(Section):
    """What in the image says that a vertebra must not be measured.

    Attributes
    ----------
    metal_hu, metal_min_mm3
        A connected piece this large above this HU in or at the vertebra is metal.
    cement_hu, cement_min_mm3
        A connected piece this large above this HU inside the body is cement.
    height_loss_max
        Share of its height that a body may lack, in front, in the middle or behind.
    endplate
        When a height is read at all.
    curve_max_deg
        Angle between the uppermost and the lowest level, seen from the front.
    """

    metal_hu: float = Field(ge=1500, le=3000)
    metal_min_mm3: float = Field(gt=0)
    cement_hu: float = Field(ge=700, le=3000)
    cement_min_mm3: float = Field(gt=0)
    height_loss_max: float = Field(gt=0, lt=0.5)
    curve_max_deg: float = Field(gt=0, le=60)
    endplate: EndplateRules


class SplitParams(Section):
    """How patients are split: shares (below 1, summing to 1), or exact numbers of patients.

    Shares are sticky: adding patients moves nobody. Numbers are exact, so adding patients moves some: they are
    for a cohort that is complete, such as the 280/70/52 of a published protocol.

    Attributes
    ----------
    train, validation, calibration, test
        All four shares, or all four numbers; a number may be 0.
    salt
        Draws the assignment, and never changes for a growing data set.
    absent_vendor
        What to do about a vendor that a used split lacks: warn or refuse.
    """

    train: float = Field(ge=0)
    validation: float = Field(ge=0)
    calibration: float = Field(ge=0)
    test: float = Field(ge=0)
    salt: str
    absent_vendor: Literal["warn", "refuse"] = "warn"

    @model_validator(mode="after")
    def _shares_or_numbers(self) -> Self:
        values = self.in_order()
        names = ", ".join(SPLITS)
        if not self.exact:
            if min(values) <= 0:
                raise ValueError(f"shares of {names} must be above 0")
            if abs(sum(values) - 1.0) > 1e-9:
                raise ValueError(
                    f"fractions of {names} must sum to 1; they sum to {sum(values):g} "
                    "(numbers of patients are whole and 1 or more)"
                )
        elif any(value != int(value) for value in values):
            raise ValueError(f"{names} must be all shares below 1 or all whole numbers of patients")
        return self

    @property
    def exact(self) -> bool:
        """Whether these are numbers of patients."""
        return any(value >= 1 for value in self.in_order())

    @property
    def patients(self) -> int | None:
        """How many patients the numbers add up to; None for shares."""
        return int(sum(self.in_order())) if self.exact else None

    @property
    def used(self) -> tuple[str, ...]:
        """Splits that anybody can be in."""
        return tuple(name for name in SPLITS if getattr(self, name) > 0)

    def in_order(self) -> tuple[float, ...]:
        """Shares or numbers in the order of `SPLITS`."""
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
    level_scheme: Literal["totalseg", "totalseg_v1", "totalseg_v3", "verse"] | None = None
    levels: LevelRules
    trabecular: TrabecularRegion
    unmeasurable: UnmeasurableRules
    split: SplitParams
