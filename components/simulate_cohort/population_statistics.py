"""The statistics of a population without CT that are published about patients, with their standard errors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from components.simulate_cohort.published import OLDEST_DECADE, SEXES
from components.simulate_cohort.seeding import stream
from models.levels import LEVELS

# Young women's L1-L4 on the Hologic scale: the reference that T-scores are taken against, for men too (ISCD)
REFERENCE_MEAN_G_CM2, REFERENCE_SD_G_CM2 = 1.047, 0.110
FEWEST = 4  # people of a group that a mean is taken of; its standard error says what it is worth


def statistics(population: pd.DataFrame) -> dict[str, float]:
    """Every statistic by name; NaN where a group has fewer than `FEWEST` people.

    Phantoms with a level that a technologist would leave out do not count, as in NHANES (all four levels valid).

    Parameters
    ----------
    population
        Rows of `population.draw_population`.
    """
    population = population[population["evaluable_levels"] == len(LEVELS)]
    bmd, tbs = population["bmd"].to_numpy(), population["tbs"].to_numpy()
    hu, hu_l1 = population["hu"].to_numpy(), population["hu_l1"].to_numpy()
    age, women = population["age_years"].to_numpy(), population["sex"].to_numpy() == "F"
    noise = population["noise_sd_hu"].to_numpy()
    t_score = (bmd - REFERENCE_MEAN_G_CM2) / REFERENCE_SD_G_CM2
    fifties, seventies = ((age >= low) & (age < low + 10) & women for low in (50, 70))
    out = {
        "posterior_share_mean": 100 * float(population["posterior_share"].mean()),
        "posterior_share_sd": 100 * float(population["posterior_share"].std()),
        "r_hu_bmd": _r(hu, bmd),
        "auc_hu_osteoporosis": _auc(t_score <= -2.5, -hu),
        "bmd_cv_percent": _cv_percent(bmd, population["bmd_again"].to_numpy()),
        "tbs_cv_percent": _cv_percent(tbs, population["tbs_again"].to_numpy()),
        "r_tbs_bmd": _r(tbs, bmd),
        "r_tbs_age": _r(tbs, age),
        "r_tbs_bmi": _r(tbs, population["bmi_kg_m2"].to_numpy()),
        "normal_percent": 100 * float((t_score > -1.0).mean()),
        "osteopenia_percent": 100 * float(((t_score <= -1.0) & (t_score > -2.5)).mean()),
        "osteoporosis_percent": 100 * float((t_score <= -2.5).mean()),
        "bmd_women_70s_less_50s": _mean(bmd[seventies]) - _mean(bmd[fifties]),
        "area_women_cm2": _mean(population["area_cm2"].to_numpy()[women]),
        "area_men_cm2": _mean(population["area_cm2"].to_numpy()[~women]),
        "hu_l1_per_year": _slope(age, hu_l1),
        "hu_l1_under_45": _mean(hu_l1[age < 45]),
        "hu_l1_55_64": _mean(hu_l1[(age >= 55) & (age < 65)]),
        "hu_l1_over_70": _mean(hu_l1[age > 70]),
        "hu_l1_sd_55_64": _sd(hu_l1[(age >= 55) & (age < 65)]),
        **{f"noise_hu_p{q:02d}": float(np.percentile(noise, q)) for q in (5, 50, 95)},
    }
    for level in LEVELS[1:]:
        out[f"bmd_ratio_{level.lower()}"] = float(
            population[f"bmd_{level}"].mean() / population["bmd_L1"].mean()
        )
    for quantity, values in (("bmd", bmd), ("tbs", tbs)):
        for who, decade, inside in _groups(age, women):
            out[f"{quantity}_{who}_{decade}_mean"] = _mean(values[inside])
            out[f"{quantity}_{who}_{decade}_sd"] = _sd(values[inside])
    return out


def standard_errors(population: pd.DataFrame, draws: int = 200) -> dict[str, float]:
    """Bootstrap standard error of every statistic (patients drawn with replacement, always the same draws)."""
    rng = stream(0, "population-bootstrap", len(population))
    samples = pd.DataFrame(
        [statistics(population.iloc[rng.integers(0, len(population), len(population))]) for _ in range(draws)]
    )
    return {str(name): float(error) for name, error in samples.std().items()}


def _groups(age: np.ndarray, women: np.ndarray) -> Iterator[tuple[str, int, np.ndarray]]:
    for sex, who in SEXES.items():
        for decade in range(40, OLDEST_DECADE + 1, 10):
            upper = np.inf if decade == OLDEST_DECADE else decade + 10
            yield who, decade, (women == (sex == "F")) & (age >= decade) & (age < upper)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size >= FEWEST else float("nan")


def _sd(values: np.ndarray) -> float:
    return float(values.std(ddof=1)) if values.size >= FEWEST else float("nan")


def _r(one: np.ndarray, other: np.ndarray) -> float:
    varies = one.size > 2 and one.std() > 0 and other.std() > 0
    return float(np.corrcoef(one, other)[0, 1]) if varies else float("nan")


def _slope(x: np.ndarray, y: np.ndarray) -> float:
    """Of the least-squares line."""
    away = x - x.mean()
    return float(away @ y / (away @ away)) if x.std() > 0 else float("nan")


def _auc(ill: np.ndarray, score: np.ndarray) -> float:
    return float(roc_auc_score(ill, score)) if 0 < ill.sum() < ill.size else float("nan")


def _cv_percent(first: np.ndarray, second: np.ndarray) -> float:
    """Root mean square of the coefficient of variation of two measurements (ISCD; Gluer 1995, Osteoporos Int)."""
    variance = np.square(first - second) / 2
    return 100 * float(np.sqrt(np.mean(variance / np.square((first + second) / 2))))
