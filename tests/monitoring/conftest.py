"""Months of answers without pixels: the monitored statistics, drawn from stated distributions."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import pytest

from monitoring.params import MonitorParams

VENDORS = ("Canon", "GE", "Philips", "Siemens")
# Measured on 125 simulated studies of the traffic (HU): median per vendor, and the largest vendor's SD between
# studies (soft tissue 3.0 to 4.2, fat 4.2 to 5.0); noise median 14, trabecular bone 133 +- 40, 16 % sharp kernels.
SOFT_TISSUE_HU = {"Canon": 29.5, "GE": 35.0, "Philips": 35.7, "Siemens": 27.2}
FAT_HU = {"Canon": -101.1, "GE": -99.1, "Philips": -98.3, "Siemens": -104.3}
SOFT_TISSUE_SD_HU, FAT_SD_HU = 4.2, 5.0

Month = Callable[..., pd.DataFrame]


def draw_month(
    seed: int,
    per_vendor: int,
    shift_hu: Mapping[str, float] | None = None,
    vendors: tuple[str, ...] = VENDORS,
) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    parts = []
    for vendor in vendors:
        n = per_vendor
        shift = (shift_hu or {}).get(vendor, 0.0)
        trabecular = rng.normal(133, 40, n)
        parts.append(
            pd.DataFrame(
                {
                    "study": [f"{vendor}-{seed}-{number}" for number in range(n)],
                    "vendor": vendor,
                    "soft_tissue_peak_hu": rng.normal(SOFT_TISSUE_HU.get(vendor, 32), SOFT_TISSUE_SD_HU, n)
                    + shift,
                    "fat_peak_hu": rng.normal(FAT_HU.get(vendor, -100), FAT_SD_HU, n) + shift,
                    "noise_hu": rng.lognormal(np.log(14), 0.5, n),
                    "kvp": rng.choice([100.0, 120.0, 140.0], n, p=[0.2, 0.65, 0.15]),
                    "kernel_class": rng.choice(["soft", "sharp"], n, p=[0.84, 0.16]),
                    "slice_thickness_mm": rng.choice([2.0, 3.0, 5.0], n, p=[0.4, 0.4, 0.2]),
                    "pixel_spacing_mm": rng.uniform(0.55, 0.8, n),
                    "trabecular_hu": trabecular + shift,
                    # 0.0025 g/cm2 per HU: what a network that follows HU would add under a shift
                    "bmd_g_cm2": 0.95 + 0.0025 * (trabecular - 133 + shift) + rng.normal(0, 0.07, n),
                    "tbs": 1.32 + 0.0007 * (trabecular - 133 + shift) + rng.normal(0, 0.07, n),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="session")
def month() -> Month:
    """month(seed, per_vendor, shift_hu) -> one row per study."""
    return draw_month


@pytest.fixture(scope="session")
def monitor() -> MonitorParams:
    return MonitorParams(
        family_alpha=0.01,
        minimum_studies=20,
        reference_per_vendor=40,
        current_per_vendor=30,
        vendors=VENDORS,
        reference_seed=1,
        current_seed=2,
        period_days=30,
        workers=1,
    )
