"""CT vendors and the acquisition of one series. Profiles are illustrative, not measured on any scanner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.simulate_cohort import constants as c
from components.simulate_cohort.seeding import stream


@dataclass(frozen=True)
class Protocol:
    """A reconstruction that a vendor's sites commonly send."""

    kernel: str
    sharp: bool
    slice_thickness_mm: float
    slice_spacing_mm: float
    description: str


@dataclass(frozen=True)
class VendorProfile:
    """Header idioms and calibration of one vendor.

    Attributes
    ----------
    manufacturer_models
        Manufacturer string with one of its models.
    scale, offset_hu
        The vendor's HU calibration: hu' = hu * scale + offset.
    """

    manufacturer_models: tuple[tuple[str, str], ...]
    kvp: tuple[float, ...]
    kvp_weight: tuple[float, ...]
    protocols: tuple[Protocol, ...]
    scale: float
    offset_hu: float
    signed_pixels: bool
    image_type: tuple[str, ...]


VENDORS: dict[str, VendorProfile] = {
    "GE": VendorProfile(
        (
            ("GE MEDICAL SYSTEMS", "LightSpeed VCT"),
            ("GE MEDICAL SYSTEMS", "Discovery CT750 HD"),
            ("GE MEDICAL SYSTEMS", "Revolution CT"),
        ),
        (120.0, 140.0, 100.0),
        (0.65, 0.2, 0.15),
        (
            Protocol("STANDARD", False, 2.5, 2.5, "ABD/PELVIS W/O 2.5 STD"),
            Protocol("STANDARD", False, 5.0, 5.0, "Abdomen 5.0 axial"),
            Protocol("SOFT", False, 2.5, 2.5, "2.5 SOFT LUMBAR"),
            Protocol("BONE", True, 1.875, 1.875, "BONE LUMBAR SPINE"),
        ),
        1.0,
        2.0,
        True,
        ("ORIGINAL", "PRIMARY", "AXIAL"),
    ),
    "Siemens": VendorProfile(
        (
            ("SIEMENS", "SOMATOM Definition AS+"),
            ("SIEMENS", "SOMATOM Force"),
            ("Siemens Healthineers", "SOMATOM X.cite"),
        ),
        (120.0, 100.0, 80.0),
        (0.65, 0.27, 0.08),
        (
            Protocol("B30f", False, 3.0, 3.0, "Abd nativ 3.0 B30f"),
            Protocol("Br40d", False, 2.0, 2.0, "LWS nativ 2.0 Br40"),
            Protocol("B31f", False, 5.0, 4.0, "Abdomen 5.0 B31f"),
            Protocol("B60s", True, 2.0, 2.0, "LWS 2.0 B60s"),
        ),
        0.985,
        -3.5,
        False,
        ("ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SPI"),
    ),
    "Philips": VendorProfile(
        (
            ("Philips", "Brilliance 64"),
            ("Philips", "iCT 256"),
            ("Philips Medical Systems", "Ingenuity CT"),
        ),
        (120.0, 140.0, 100.0),
        (0.75, 0.15, 0.10),
        (
            Protocol("B", False, 3.0, 3.0, "NATIVE ABDOMEN 3/3 B"),
            Protocol("B", False, 2.0, 2.0, "L-SPINE 2mm"),
            Protocol("A", False, 5.0, 5.0, "ABDOMEN NON CON 5mm"),
            Protocol("D", True, 2.0, 2.0, "L-SPINE BONE"),
        ),
        1.012,
        4.0,
        False,
        ("ORIGINAL", "PRIMARY", "AXIAL", "HELIX"),
    ),
    "Canon": VendorProfile(
        (
            ("Canon Medical Systems", "Aquilion ONE"),
            ("CANON_MEC", "Aquilion Prime SP"),
            ("TOSHIBA", "Aquilion PRIME"),
        ),
        (120.0, 135.0, 100.0),
        (0.75, 0.15, 0.10),
        (
            Protocol("FC08", False, 3.0, 3.0, "Abdomen plain 3.0"),
            Protocol("FC18", False, 2.0, 2.0, "Body 2.0 plain"),
            Protocol("FC08", False, 5.0, 5.0, "Abdomen 5.0 CE-"),
            Protocol("FC30", True, 2.0, 2.0, "Bone 2.0 Lumbar"),
        ),
        0.99,
        -1.0,
        False,
        ("ORIGINAL", "PRIMARY", "AXIAL"),
    ),
}
# mean and SD of where the spine lies in the scanner: left, posterior, along the table; illustrative
ISOCENTRE_MM = ((0.0, 8.0), (30.0, 15.0), (-600.0, 200.0))
PROTOCOL_WEIGHT = (0.42, 0.28, 0.20, 0.10)


@dataclass(frozen=True)
class Acquisition:
    """How one series was taken, and the scanner's own calibration."""

    vendor: str
    manufacturer: str
    model: str
    station: int
    kvp: float
    protocol: Protocol
    pixel_spacing_mm: float
    matrix: int
    psf_sigma_mm: float
    noise_sd_hu: float
    scale: float
    offset_hu: float
    isocentre_mm: tuple[float, ...]


def vendor_order(patients: int, seed: int, mix: dict[str, float]) -> list[str]:
    """Vendor per patient: exact quotas, shuffled by a stream that knows nothing about the patients."""
    total = sum(mix.values())
    exact = {name: patients * weight / total for name, weight in mix.items()}
    counts = {name: int(value) for name, value in exact.items()}
    by_rest = sorted(exact, key=lambda name: (counts[name] - exact[name], name))
    for name in by_rest[: patients - sum(counts.values())]:
        counts[name] += 1
    names = [name for name in sorted(counts) for _ in range(counts[name])]
    return [names[k] for k in stream(seed, "vendors").permutation(patients)]


def draw_acquisition(
    rng: np.random.Generator, vendor: str, *, bmi: float, matrix: int, pixel_range_mm: tuple[float, float]
) -> Acquisition:
    """Draw an acquisition on one of the vendor's scanners; only body size enters (noise)."""
    profile = VENDORS[vendor]
    station = int(rng.integers(len(profile.manufacturer_models)))
    manufacturer, model = profile.manufacturer_models[station]
    kvp = float(rng.choice(profile.kvp, p=profile.kvp_weight))
    protocol = profile.protocols[int(rng.choice(len(profile.protocols), p=PROTOCOL_WEIGHT))]
    low, high = pixel_range_mm
    noise = c.NOISE_MEDIAN_HU * float(np.exp(c.NOISE_LOG_SD * rng.standard_normal()))
    noise *= float(np.sqrt(c.NOISE_REFERENCE_THICKNESS_MM / protocol.slice_thickness_mm))
    noise *= (c.NOISE_SHARP_FACTOR if protocol.sharp else 1.0) * float(
        np.exp(c.NOISE_PER_BMI * (bmi - c.BMI_MEAN))
    )
    return Acquisition(
        vendor=vendor,
        manufacturer=manufacturer,
        model=model,
        station=station,
        kvp=kvp,
        protocol=protocol,
        pixel_spacing_mm=round(float(rng.uniform(low, high)), 4),
        matrix=matrix,
        psf_sigma_mm=float(rng.uniform(*c.KERNEL_SIGMA_MM["sharp" if protocol.sharp else "soft"])),
        noise_sd_hu=float(np.clip(noise, 6.0, 60.0)),
        scale=profile.scale * float(1.0 + c.SCANNER_SCALE_SD * rng.standard_normal()),
        offset_hu=float(
            np.clip(profile.offset_hu + c.SCANNER_OFFSET_SD_HU * rng.standard_normal(), -6.0, 6.0)
        ),
        isocentre_mm=tuple(round(float(rng.normal(*place)), 1) for place in ISOCENTRE_MM),
    )
