"""X-ray attenuation of tissues and mineral per tube voltage, from xraydb and a filtered Kramers spectrum."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import xraydb
from numpy.typing import NDArray

from components.simulate_cohort import constants as c


def mass_attenuation_cm2_g(
    fractions: dict[str, float], energy_kev: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Total mass attenuation of a mixture at each energy (mixture rule)."""
    total = sum(fractions.values())
    parts = [
        share / total * xraydb.mu_elam(element, energy_kev * 1000.0) for element, share in fractions.items()
    ]
    return np.asarray(np.sum(parts, axis=0), dtype=np.float64)


def linear_attenuation_per_cm(tissue: str, energy_kev: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear attenuation of one of `constants.TISSUES`."""
    fractions, density = c.TISSUES[tissue]
    return mass_attenuation_cm2_g(fractions, energy_kev) * density


def detected_spectrum(kvp: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Energies (keV) and normalised weights of what an energy-integrating detector sees behind the patient.

    Kramers' law for the tube, aluminium filtration, a water patient; weighted by energy.
    """
    energy = np.arange(25.0, kvp, 1.0)
    aluminium = mass_attenuation_cm2_g({"Al": 1.0}, energy) * 2.699
    water = linear_attenuation_per_cm("water", energy)
    weight = (kvp - energy) / energy * energy
    weight = weight * np.exp(-aluminium * c.FILTER_ALUMINIUM_MM / 10 - water * c.HARDENING_WATER_MM / 10)
    return energy, weight / weight.sum()


@dataclass(frozen=True)
class HuTable:
    """HU of tissues, and HU added per mg/cc of hydroxyapatite (the water it displaces taken off)."""

    tissue_hu: dict[str, float]
    hu_per_mg_cc: float


def _table(energy: NDArray[np.float64], weight: NDArray[np.float64]) -> HuTable:
    water = float(weight @ linear_attenuation_per_cm("water", energy))
    tissue = {
        name: 1000.0 * (float(weight @ linear_attenuation_per_cm(name, energy)) / water - 1.0)
        for name in c.TISSUES
    }
    mineral = float(weight @ mass_attenuation_cm2_g(c.HYDROXYAPATITE, energy))
    return HuTable(tissue, mineral / water - 1.0 / c.HYDROXYAPATITE_G_CC)


@lru_cache(maxsize=32)
def hu_table(kvp: float) -> HuTable:
    """The table for a conventional image at this tube voltage."""
    return _table(*detected_spectrum(kvp))


@lru_cache(maxsize=8)
def monoenergetic_table(energy_kev: float) -> HuTable:
    """The table for a virtual monoenergetic image."""
    return _table(np.array([energy_kev]), np.array([1.0]))


@lru_cache(maxsize=1)
def dxa_coefficients() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mass attenuation (cm2/g) at the two DXA energies: (mineral (2,), soft tissue (2,))."""
    energy = np.array(c.DXA_ENERGIES_KEV)
    mineral = mass_attenuation_cm2_g(c.HYDROXYAPATITE, energy)
    soft = 0.7 * mass_attenuation_cm2_g(c.TISSUES["muscle"][0], energy)
    return mineral, soft + 0.3 * mass_attenuation_cm2_g(c.TISSUES["adipose"][0], energy)
