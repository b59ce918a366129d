"""A simulated patient: who, and the latents of bone that the mineral field is built from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from components.simulate_cohort import constants as c
from components.simulate_cohort.seeding import stream

STACK: tuple[str, ...] = ("T12", "L1", "L2", "L3", "L4", "L5")


@dataclass(frozen=True)
class Patient:
    """Demographics and latents.

    Attributes
    ----------
    vbmd_mg_cc
        Trabecular volumetric BMD, mg/cc hydroxyapatite; `level_vbmd_mg_cc` the same per level T12..L5.
    micro
        Microarchitecture latent in standard deviations, high is good; `quality` the same squeezed to 0..1.
    shell_mm
        Cortical shell thickness.
    posterior_mg_cc
        Mean mineral density of the posterior elements.
    degeneration
        0 none, 1 moderate, above 1 severe: osteophytes, sclerosis, facet growth.
    """

    index: int
    seed: int
    purpose: str
    sex: str
    age_years: float
    bmi: float
    height_cm: float
    weight_kg: float
    vbmd_mg_cc: float
    level_vbmd_mg_cc: dict[str, float]
    micro: float
    quality: float
    shell_mm: float
    posterior_mg_cc: float
    marrow_fat: float
    degeneration: float
    size: float
    lordosis: float
    sway_mm: float

    def stream(self, *names: str | int) -> np.random.Generator:
        """A random stream of this patient."""
        return stream(self.seed, self.purpose, self.index, *names)


def mean_vbmd_mg_cc(sex: str, age_years: float) -> float:
    """Population mean trabecular vBMD by sex and age: losses quicken at the menopause."""
    mean = c.VBMD_AT_25_MG_CC[sex]
    for start, end, loss in c.VBMD_LOSS_PER_YEAR[sex]:
        mean -= loss * float(np.clip(age_years - start, 0.0, end - start))
    return mean


def _age_years(rng: np.random.Generator) -> float:
    """Normal, cut off at both ends of the range (nobody piles up there)."""
    low, high = ((end - c.AGE_MEAN_YEARS) / c.AGE_SD_YEARS for end in c.AGE_RANGE_YEARS)
    share = ndtr(low) + rng.random() * (ndtr(high) - ndtr(low))
    return c.AGE_MEAN_YEARS + c.AGE_SD_YEARS * float(ndtri(share))


def _mixed(rho: float, shared: float, own: float) -> float:
    """A standard normal that correlates with `shared` by `rho`."""
    return rho * shared + float(np.sqrt(1 - rho**2)) * own


def draw_patient(index: int, seed: int, purpose: str = "cohort") -> Patient:
    """Draw patient `index`; nothing about a scanner is drawn here, so vendor cannot depend on bone."""
    rng = stream(seed, purpose, index, "patient")
    sex = "F" if rng.random() < c.FEMALE_SHARE else "M"
    age = _age_years(rng)
    bmi = float(np.clip(rng.normal(c.BMI_MEAN, c.BMI_SD), *c.BMI_RANGE))
    height = float(rng.normal(*c.HEIGHT_CM[sex]))
    z_vbmd, z_micro, z_shell, z_posterior, z_size = rng.standard_normal(5).tolist()
    z = z_vbmd + c.CLINICAL_SHIFT_Z
    vbmd = float(np.clip(mean_vbmd_mg_cc(sex, age) + c.VBMD_SD_MG_CC * z, *c.VBMD_RANGE_MG_CC))
    micro = _mixed(c.MICRO_CORRELATION, z_vbmd, z_micro) + c.MICRO_MEAN[sex]
    micro += c.MICRO_AGE_SLOPE_PER_YEAR[sex] * (min(age, c.MICRO_LOSS_UNTIL_YEARS) - c.AGE_MEAN_YEARS)
    shell_mm = c.SHELL_MM * float(np.exp(c.SHELL_LOG_SD * _mixed(c.SHELL_CORRELATION, z, z_shell)))
    posterior = c.POSTERIOR_MG_CC * (vbmd / 125.0) ** c.POSTERIOR_VBMD_EXPONENT
    posterior *= (shell_mm / c.SHELL_MM) ** c.POSTERIOR_SHELL_EXPONENT
    posterior *= float(np.exp(c.POSTERIOR_LOG_SD * z_posterior))
    posterior *= 1.0 + c.POSTERIOR_AGE_PER_YEAR[sex] * (age - c.AGE_MEAN_YEARS)
    levels = {
        name: vbmd * c.LEVEL_VBMD_RATIO[name] * float(np.exp(c.LEVEL_VBMD_SD * rng.standard_normal()))
        for name in STACK
    }
    degeneration = c.DEGENERATION_PER_YEAR[sex] * (age - 45.0) + c.DEGENERATION_SD * rng.standard_normal()
    return Patient(
        index=index,
        seed=seed,
        purpose=purpose,
        sex=sex,
        age_years=round(age, 1),
        bmi=bmi,
        height_cm=round(height, 1),
        weight_kg=round(bmi * (height / 100) ** 2, 1),
        vbmd_mg_cc=vbmd,
        level_vbmd_mg_cc=levels,
        micro=micro,
        quality=float(1.0 / (1.0 + np.exp(-1.4 * micro))),
        shell_mm=shell_mm,
        posterior_mg_cc=posterior,
        marrow_fat=float(
            np.clip(c.MARROW_FAT_AT_25 + c.MARROW_FAT_PER_YEAR * (age - 25) + rng.normal(0, 0.05), 0.1, 0.9)
        ),
        degeneration=float(np.clip(degeneration, 0.0, 1.6)),
        size=c.SEX_SCALE[sex] * float(np.exp(c.SIZE_SD * z_size)) * (height / c.HEIGHT_CM[sex][0]) ** 0.4,
        lordosis=float(np.clip(rng.normal(1.0, 0.3), 0.2, 1.8)),
        sway_mm=float(rng.normal(0.0, 2.0)),
    )
