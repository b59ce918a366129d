"""The network's interface and architecture as plain values; importing it does not import torch."""

from __future__ import annotations

from typing import Literal, NamedTuple, Self

from pydantic import Field, field_validator, model_validator

from models.params import Section

TARGETS: tuple[str, ...] = ("bmd_g_cm2", "tbs")
ACQUISITION: tuple[str, ...] = ("kvp", "slice_thickness_mm", "pixel_spacing_mm")


class FieldOfView(NamedTuple):
    """A square of a crop, in whole pixels of it.

    Attributes
    ----------
    top, left, pixels
        First row, first column, and side.
    size_mm
        The side.
    body_anterior_mm
        How far in front of the square's centre the vertebral body's centre lies.
    """

    top: int
    left: int
    pixels: int
    size_mm: float
    body_anterior_mm: float


class NetworkConfig(Section):
    """What is needed to build the network again, apart from its weights.

    Attributes
    ----------
    arch
        `resnet50` is the one that is evaluated and promoted; `resnet18` is for fast tests.
    slices, pixels, size_mm
        C, H = W and side in mm of the crops.
    body_anterior_mm
        How far in front of the crop's centre the vertebral body's centre lies.
    field_of_view_mm
        Side of the square about the vertebral body's centre that the network sees; None: the whole crop.
    windows_hu
        (low, high) pairs; each maps a crop to C more channels, low to -1 and high to +1, clamped.
    kvp_reference, kvp_exponent
        HU above 0 are multiplied by (kVp / reference) ** exponent, which takes bone seen at any tube voltage
        to the reference voltage. Default 0.458: L1 131.3 HU at 140 kVp against 140.9 HU at 120 kVp over
        16,747 scans, ln(140.9 / 131.3) / ln(140 / 120).
    dropout
        On the pooled features.
    bn_momentum
        Of all batch normalisations.
    """

    arch: Literal["resnet50", "resnet18"] = "resnet50"
    slices: int = Field(ge=1, le=15)
    pixels: int = Field(ge=16, le=512)
    size_mm: float = Field(gt=0, le=200)
    body_anterior_mm: float = Field(ge=-50, le=50)
    field_of_view_mm: float | None = Field(default=None, ge=20, le=200)
    windows_hu: tuple[tuple[float, float], ...] = ((-200.0, 800.0), (0.0, 400.0))
    kvp_reference: float = Field(default=120.0, gt=0)
    kvp_exponent: float = Field(default=0.458, ge=0, le=2)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    bn_momentum: float = Field(default=0.1, gt=0, le=1)

    @field_validator("windows_hu")
    @classmethod
    def _rising(cls, windows: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        if not windows or any(low >= high for low, high in windows):
            raise ValueError("at least one window is needed, each (low, high) with low < high in HU")
        return windows

    @model_validator(mode="after")
    def _field_within_crop(self) -> Self:
        widest = self.size_mm - 2 * abs(self.body_anterior_mm)
        if self.field_of_view_mm is not None and self.field_of_view_mm > widest + 1e-6:
            raise ValueError(
                f"field_of_view_mm: {self.field_of_view_mm:g} mm about the body centre do not fit into a crop of "
                f"{self.size_mm:g} mm whose centre lies {abs(self.body_anterior_mm):g} mm away; accepted: up to "
                f"{widest:g}, or null for the whole crop"
            )
        return self

    @property
    def field(self) -> FieldOfView:
        """The part of a crop that the network sees."""
        if self.field_of_view_mm is None:
            return FieldOfView(0, 0, self.pixels, self.size_mm, self.body_anterior_mm)
        pixel_mm = self.size_mm / self.pixels
        pixels = round(self.field_of_view_mm / pixel_mm)
        top = (self.pixels - pixels) // 2
        left = round((self.pixels - pixels) / 2 - self.body_anterior_mm / pixel_mm)
        left = min(max(left, 0), self.pixels - pixels)
        anterior_mm = self.body_anterior_mm + (left - (self.pixels - pixels) / 2) * pixel_mm
        return FieldOfView(top, left, pixels, pixels * pixel_mm, anterior_mm)
