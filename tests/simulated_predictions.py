"""Patients with believable relations between age, sex, density and texture, and models of known quality.

Means, spreads and correlations follow the published statistics that the simulated cohort is held to: BMD
falls with age, TBS correlates 0.55 with BMD, trabecular HU 0.62 with BMD; age and sex alone tell a little.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.levels import LEVELS

VENDORS = ("GE", "Siemens", "Philips", "Canon")
LEVEL_OFFSETS_G_CM2 = (-0.06, 0.0, 0.03, 0.03)
SPLIT_COUNTS = {"train": 60, "validation": 12, "calibration": 28, "test": 28}

Estimator = Callable[[pd.DataFrame, np.random.Generator], tuple[NDArray[np.float64], NDArray[np.float64]]]


def patients(seed: int, counts: dict[str, int] | None = None) -> pd.DataFrame:
    """One row per patient, without estimates."""
    rng = np.random.default_rng(seed)
    splits = [name for name, count in (counts or SPLIT_COUNTS).items() for _ in range(count)]
    n = len(splits)
    sex = np.where(rng.random(n) < 0.7, "F", "M")
    age = np.clip(rng.normal(63, 11, n), 35, 88)
    bmi = np.clip(rng.normal(27, 4.5, n), 17, 45)
    bmd = 0.925 - 0.0042 * (age - 63) + 0.07 * (sex == "M") + rng.normal(0, 0.135, n)
    z = (bmd - 0.945) / 0.15
    tbs = 1.31 + 0.053 * z - 0.0012 * (age - 63) - 0.004 * (bmi - 27) + rng.normal(0, 0.07, n)
    hu = 135 + 30 * z + rng.normal(0, 35, n)
    return pd.DataFrame(
        {
            "patient": [f"{number:016x}" for number in rng.permutation(n)],
            "split": splits,
            "vendor": [VENDORS[number % 4] for number in range(n)],
            "sex": sex,
            "age_years": age,
            "bmi_kg_m2": bmi,
            "trabecular_hu": hu,
            "bmd_l1_l4_g_cm2": np.round(bmd, 3),
            "tbs_l1_l4": np.round(tbs, 3),
            "kvp": rng.choice([100.0, 120.0, 140.0], n),
            "slice_thickness_mm": rng.choice([1.0, 2.5, 5.0], n),
            "pixel_spacing_mm": rng.uniform(0.6, 0.95, n),
            "kernel_class": np.where(np.arange(n) % 3 == 0, "sharp", "soft"),
            "noise_hu": 18 * np.exp(0.36 * rng.standard_normal(n)),
            "dxa_device": "Hologic Horizon A",
        }
    )


def crops(seed: int, estimator: Estimator, counts: dict[str, int] | None = None) -> pd.DataFrame:
    """One crop per patient and level, with the estimator's values in calibration and test."""
    people = patients(seed, counts)
    rng = np.random.default_rng(seed + 1_000_000)
    bmd_pred, tbs_pred = estimator(people, rng)
    tables = []
    for level, offset in zip(LEVELS, LEVEL_OFFSETS_G_CM2, strict=True):
        table = people.copy()
        table["level"], table["series"], table["lateral_offset_mm"], table["kernel"] = level, "s", 0.0, "B"
        n = len(people)
        table["bmd_g_cm2"] = table["bmd_l1_l4_g_cm2"] + offset + rng.normal(0, 0.03, n)
        table["tbs"] = table["tbs_l1_l4"] + rng.normal(0, 0.03, n)
        table["bmd_pred_g_cm2"] = bmd_pred + offset
        table["tbs_pred"] = tbs_pred
        tables.append(table)
    everything = pd.concat(tables, ignore_index=True)
    unseen = everything["split"].isin(["train", "validation"])
    everything.loc[unseen, ["bmd_pred_g_cm2", "tbs_pred"]] = np.nan
    return everything


def of_quality(bmd_r: float, tbs_r: float) -> Estimator:
    """Estimates whose correlations with DXA are these in the population."""

    def estimate(
        people: pd.DataFrame, rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        values = []
        for column, r in (("bmd_l1_l4_g_cm2", bmd_r), ("tbs_l1_l4", tbs_r)):
            truth = people[column].to_numpy()
            noise = rng.normal(0, truth.std() * np.sqrt(1 / r**2 - 1), len(truth))
            values.append(truth.mean() + r**2 * (truth - truth.mean() + noise))
        return values[0], values[1]

    return estimate


def constant(
    people: pd.DataFrame, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The same for everybody."""
    return np.full(len(people), 0.93), np.full(len(people), 1.30)


def shuffled(
    people: pd.DataFrame, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What training on shuffled labels leaves: believable values of somebody else."""
    order = rng.permutation(len(people))
    return people["bmd_l1_l4_g_cm2"].to_numpy()[order], people["tbs_l1_l4"].to_numpy()[order]


def age_and_sex(
    people: pd.DataFrame, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The best that age and sex can do: the very trend that made the values, plus a network's jitter."""
    age, male = people["age_years"].to_numpy(), (people["sex"] == "M").to_numpy()
    bmd = 0.925 - 0.0042 * (age - 63) + 0.07 * male
    tbs = 1.31 + 0.053 * (bmd - 0.945) / 0.15 - 0.0012 * (age - 63)
    return bmd + rng.normal(0, 0.005, len(people)), tbs + rng.normal(0, 0.002, len(people))
