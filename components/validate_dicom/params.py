"""Section `validate` of params.yaml: every limit that a table row is held to."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from components.validate_dicom.choice_params import SeriesChoiceParams
from models.params import Section


class VendorMixParams(Section):
    """When a batch's vendors differ from the last accepted batch's.

    Attributes
    ----------
    distance_max
        Total variation distance that is accepted, 0 to 1.
    p_min
        A larger one is accepted where chance gives as large a one this often (chi-square test).
    action
        warn: the batch is accepted and becomes the next one's reference; refuse: the step ends with exit code 3.
    """

    distance_max: float = Field(ge=0, le=1)
    p_min: float = Field(gt=0, lt=1)
    action: Literal["warn", "refuse"]


class BatchParams(Section):
    """Limits of the accepted pairs as a whole; `pairs_min`: fewer are warned of."""

    pairs_min: int = Field(ge=1)
    vendor_mix: VendorMixParams


class ValidateParams(Section):
    """Limits of validation; the reasons stand beside the rules in `series_rules.py` and its siblings.

    Attributes
    ----------
    kvp_min, kvp_max
        Tube voltage, kV, ends included.
    vendors_known, vendors_validated
        Vendor names as the series table writes them; the second is what the model was validated on.
    spacing_max_mm
        Largest distance between slices, mm.
    spacing_tolerance_mm
        Largest difference between declared and true slice spacing, mm.
    thickness_validated_min_mm, thickness_validated_max_mm
        Slice thickness outside of which the answer is outside validated input, but not refused, mm.
    pixel_spacing_min_mm, pixel_spacing_max_mm
        Refused outside, mm.
    pixel_spacing_validated_max_mm
        Above this the answer is outside validated input, but not refused, mm.
    tilt_max_deg
        Largest gantry tilt or obliquity that counts as none, degrees.
    tilt_policy
        What happens beyond it: `refuse`, or `resample` up to `tilt_resampled_max_deg` with a warning. Crops are
        interpolated in patient coordinates through the stack's own affine, so a sheared stack is cut rightly.
    slices_min, coverage_min_mm
        Fewest slices and shortest stack that can hold two lumbar levels.
    contrast_aorta_hu_max
        Aortic lumen above this is enhanced, HU.
    soft_tissue_peak_min_hu, soft_tissue_peak_max_hu
        Where the soft tissue peak of the histogram must lie, HU.
    fat_peak_min_hu, fat_peak_max_hu, air_peak_max_hu
        Where the peaks of fat and air must lie, where the field of view holds them, HU.
    age_min_years, age_max_years
        Ages that a reference exists for, and that are plausible.
    bmd_min_g_cm2, bmd_max_g_cm2, tbs_min, tbs_max
        Plausible DXA values on the device's own scale.
    dxa_days_max
        Most days between CT and DXA.
    levels_min
        Fewest evaluable levels of a patient.
    series_per_vendor_min
        Fewer series of a validated vendor than this is warned of.
    series_choice
        Which series of a patient is measured; see `choice_params`.
    batch
        Limits of the accepted pairs as a whole.
    """

    kvp_min: float = Field(gt=0, le=200)
    kvp_max: float = Field(gt=0, le=200)
    vendors_known: tuple[str, ...] = Field(min_length=1)
    vendors_validated: tuple[str, ...] = Field(min_length=1)
    spacing_max_mm: float = Field(gt=0, le=20)
    spacing_tolerance_mm: float = Field(gt=0, le=1)
    thickness_validated_min_mm: float = Field(gt=0, le=20)
    thickness_validated_max_mm: float = Field(gt=0, le=20)
    pixel_spacing_min_mm: float = Field(gt=0, le=5)
    pixel_spacing_max_mm: float = Field(gt=0, le=5)
    pixel_spacing_validated_max_mm: float = Field(gt=0, le=5)
    tilt_max_deg: float = Field(ge=0, le=45)
    tilt_policy: Literal["refuse", "resample"]
    tilt_resampled_max_deg: float = Field(ge=0, le=45)
    slices_min: int = Field(ge=1)
    coverage_min_mm: float = Field(ge=0)
    contrast_aorta_hu_max: float = Field(gt=0, le=500)
    soft_tissue_peak_min_hu: float = Field(ge=-200, le=200)
    soft_tissue_peak_max_hu: float = Field(ge=-200, le=200)
    fat_peak_min_hu: float = Field(ge=-300, le=0)
    fat_peak_max_hu: float = Field(ge=-300, le=0)
    air_peak_max_hu: float = Field(ge=-1000, le=-300)
    age_min_years: float = Field(ge=0, le=120)
    age_max_years: float = Field(ge=0, le=130)
    bmd_min_g_cm2: float = Field(gt=0)
    bmd_max_g_cm2: float = Field(gt=0)
    tbs_min: float = Field(gt=0)
    tbs_max: float = Field(gt=0)
    dxa_days_max: int = Field(ge=0)
    levels_min: int = Field(ge=1, le=4)
    series_per_vendor_min: int = Field(ge=0)
    series_choice: SeriesChoiceParams
    batch: BatchParams

    @model_validator(mode="after")
    def _limits_are_in_order(self) -> Self:
        pairs = (
            ("kvp_min", "kvp_max"),
            ("thickness_validated_min_mm", "thickness_validated_max_mm"),
            ("pixel_spacing_min_mm", "pixel_spacing_validated_max_mm"),
            ("pixel_spacing_validated_max_mm", "pixel_spacing_max_mm"),
            ("tilt_max_deg", "tilt_resampled_max_deg"),
            ("soft_tissue_peak_min_hu", "soft_tissue_peak_max_hu"),
            ("fat_peak_min_hu", "fat_peak_max_hu"),
            ("age_min_years", "age_max_years"),
            ("bmd_min_g_cm2", "bmd_max_g_cm2"),
            ("tbs_min", "tbs_max"),
        )
        for low, high in pairs:
            if getattr(self, low) >= getattr(self, high):
                raise ValueError(f"{low} must be below {high}")
        unknown = sorted(set(self.vendors_validated) - set(self.vendors_known))
        if unknown:
            raise ValueError(f"vendors_validated holds {unknown}, which vendors_known does not")
        return self
