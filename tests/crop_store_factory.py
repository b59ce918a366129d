"""A synthetic crop store with a learnable signal: brightness follows BMD, fine texture follows TBS.

Not the simulated cohort: no physics, only something that a network, a baseline and a report can be tried on
in seconds.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.crop_store import CropGeometry, CropStore, CropStoreWriter, open_crop_store
from models.levels import LEVELS

VENDORS = ("GE", "Siemens", "Philips", "Canon")
SPLIT_OF_TEN = (
    "train", "test", "train", "calibration", "train", "validation", "train", "train", "test", "train",
)  # fmt: skip
LEVEL_RATIOS = (0.952, 1.0, 1.038, 1.029)  # L1..L4 over their mean: 1 : 1.05 : 1.09 : 1.08


def make_store(
    folder: Path,
    patients: int = 40,
    pixels: int = 32,
    seed: int = 0,
    *,
    slices: int = 3,
    offsets_mm: tuple[float, ...] = (-4.0, 0.0, 4.0),
    split_of_ten: tuple[str, ...] = SPLIT_OF_TEN,
    data_version: str = "synthetic",
    data_kind: str = "simulated",
    noise_hu: float = 15.0,
) -> CropStore:
    """Write a store to `folder` and open it.

    Parameters
    ----------
    patients
        Patient i has split `split_of_ten[i % 10]` and vendor `VENDORS[(i // 10 + i) % 4]`; train patients
        have a crop per offset and level, others one per level.
    pixels
        H and W of the crops, which are 64 mm wide whatever the pixels.
    """
    rng = np.random.default_rng(seed)
    geometry = CropGeometry(
        pixels=pixels, size_mm=64.0, slices=slices, slice_spacing_mm=2.0, centre_shift_mm=6.0
    )
    writer = CropStoreWriter(
        folder,
        patients * len(LEVELS) * len(offsets_mm),
        geometry,
        data_version=data_version,
        data_kind=data_kind,
    )
    with writer:
        for number in range(patients):
            _add_patient(writer, rng, number, split_of_ten[number % 10], offsets_mm, geometry, noise_hu)
    return open_crop_store(folder)


def _add_patient(
    writer: CropStoreWriter,
    rng: np.random.Generator,
    number: int,
    split: str,
    offsets_mm: tuple[float, ...],
    geometry: CropGeometry,
    noise_hu: float,
) -> None:
    z_bmd = rng.standard_normal()
    z_tbs = 0.4 * z_bmd + np.sqrt(1 - 0.4**2) * rng.standard_normal()
    bmd, tbs = 0.93 + 0.15 * z_bmd, 1.29 + 0.10 * z_tbs
    kvp = float(rng.choice([100, 120, 140]))
    spacing_mm = float(rng.uniform(0.5, 0.95))
    facts: dict[str, object] = {
        "patient": f"{number:04d}{'a' * 12}",
        "series": f"{number:04d}{'b' * 12}",
        "split": split,
        "vendor": VENDORS[(number // 10 + number) % 4],
        "kvp": kvp,
        "slice_thickness_mm": float(rng.choice([1.0, 2.0, 3.0])),
        "pixel_spacing_mm": spacing_mm,
        "kernel": "STANDARD",
        "kernel_class": "soft",
        "noise_hu": noise_hu,
        "sex": "F" if rng.random() < 0.7 else "M",
        "age_years": float(np.clip(63 - 4 * z_bmd + 10 * rng.standard_normal(), 35, 88)),
        "bmi_kg_m2": float(np.clip(27 - z_tbs + 4 * rng.standard_normal(), 17, 45)),
        "bmd_l1_l4_g_cm2": round(bmd, 3),
        "tbs_l1_l4": round(tbs, 3),
        "dxa_device": "Hologic Horizon A",
    }
    for level, ratio in zip(LEVELS, LEVEL_RATIOS, strict=True):
        level_bmd = bmd * ratio + 0.02 * rng.standard_normal()
        level_tbs = tbs + 0.02 * rng.standard_normal()
        bone_hu = (130 + 420 * (level_bmd - 0.93) + 12 * rng.standard_normal()) * (120 / kvp) ** 0.458
        for offset_mm in offsets_mm if split == "train" else (0.0,):
            crop = _crop(rng, geometry, bone_hu, level_tbs, noise_hu)
            row = {
                **facts,
                "level": level,
                "lateral_offset_mm": offset_mm,
                "trabecular_hu": float(bone_hu),
                "bmd_g_cm2": round(level_bmd, 3),
                "tbs": round(level_tbs, 3),
            }
            writer.add(crop, row)


def _crop(
    rng: np.random.Generator, geometry: CropGeometry, bone_hu: float, tbs: float, noise_hu: float
) -> NDArray[np.int16]:
    """(C, H, W): a bright rounded body in soft tissue; its texture is coarser and stronger as TBS falls."""
    pixels = geometry.pixels
    axis = (np.arange(pixels) - (pixels - 1) / 2) * geometry.size_mm / pixels
    body = (np.abs(axis)[:, None] < 13.0) & (np.abs(axis + 8.0)[None, :] < 16.0)  # as prepare shifts crops
    texture = rng.standard_normal((pixels, pixels)) * 60.0 * (1.29 / tbs) ** 4
    hu = np.where(body, bone_hu + texture, 40.0)
    noise = noise_hu * rng.standard_normal((geometry.slices, pixels, pixels))
    return np.round(hu[None] + noise).astype(np.int16)
