"""What a patient's spine carries that a reader would exclude: fracture, metal, cement, scoliosis; drawn per patient.

Unlike the planned defects these follow from the patient (age, density), so their number varies by cohort.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from components.simulate_cohort import constants as c
from components.simulate_cohort.patient import Patient

SPINE = "spine"  # the level of a finding that belongs to the whole spine


@dataclass(frozen=True)
class Fracture:
    """Height lost, as shares of the body's height: at the front, in the middle, at the back."""

    kind: str
    front: float
    middle: float
    back: float


@dataclass(frozen=True)
class Findings:
    """Findings of one spine.

    Attributes
    ----------
    fractures
        Per level T12..L5.
    screws, cement
        Levels with pedicle screws (joined by rods) and levels filled with cement.
    cobb_deg
        Signed Cobb angle of a marked scoliosis, 0 without one.
    """

    fractures: dict[str, Fracture] = field(default_factory=dict)
    screws: tuple[str, ...] = ()
    cement: tuple[str, ...] = ()
    cobb_deg: float = 0.0

    def rows(self) -> list[tuple[str, str, str]]:
        """(level, finding, size) in order of level; size is what a reader would measure."""
        rows = []
        for level in (*c.DISC_HEIGHT_MM,):
            if level in self.fractures:
                lost = self.fractures[level]
                worst = 100.0 * max(lost.front, lost.middle, lost.back)
                rows.append((level, f"fracture_{lost.kind}", f"{worst:.0f} % height lost"))
            if level in self.screws:
                rows.append((level, "metal", "pedicle screws and rods"))
            if level in self.cement:
                rows.append((level, "cement", "bone cement"))
        if self.cobb_deg:
            rows.append((SPINE, "scoliosis", f"{abs(self.cobb_deg):.0f} degrees Cobb"))
        return rows

    @property
    def excluded_levels(self) -> frozenset[str]:
        """Levels that a DXA technologist leaves out (ISCD: fracture, artefact)."""
        return frozenset((*self.fractures, *self.screws, *self.cement))


def fracture_chance(patient: Patient) -> float:
    """Chance of a prevalent fracture between T12 and L5, from age and vBMD."""
    age = c.FRACTURE_CHANCE_AT_75 * float(np.exp(c.FRACTURE_LOG_PER_YEAR * (patient.age_years - 75.0)))
    low = (c.FRACTURE_REFERENCE_MG_CC - patient.vbmd_mg_cc) / c.VBMD_SD_MG_CC
    return float(min(age * np.exp(c.FRACTURE_LOG_PER_SD * low), 0.6))


def draw_fracture(rng: np.random.Generator) -> Fracture:
    """Genant's shapes; at least 22 % lost, so that each is one by the 20 % rule."""
    kind = str(rng.choice(c.FRACTURE_KINDS, p=c.FRACTURE_KIND_SHARE))
    worst = float(rng.uniform(*c.FRACTURE_LOSS))
    if kind == "wedge":
        return Fracture(kind, worst, 0.65 * worst, 0.10 * worst)
    if kind == "biconcave":
        return Fracture(kind, 0.25 * worst, worst, 0.15 * worst)
    return Fracture(kind, worst, worst, 0.85 * worst)


def draw_findings(patient: Patient) -> Findings:
    """Draw a patient's findings; every number is drawn whether it is used or not."""
    rng = patient.stream("findings")
    broken, operated, curved = rng.random(3).tolist()
    levels, weights = list(c.FRACTURE_LEVEL_WEIGHT), np.array(list(c.FRACTURE_LEVEL_WEIGHT.values()))
    first, second = rng.choice(len(levels), 2, replace=False, p=weights / weights.sum()).tolist()
    two = rng.random() < c.SECOND_FRACTURE_SHARE
    shapes = (draw_fracture(rng), draw_fracture(rng))
    lower = int(rng.integers(0, len(c.SCREW_LEVELS)))
    filled = levels[int(rng.choice(len(levels), p=weights / weights.sum()))]
    screwed = rng.random() < c.SCREW_SHARE
    cobb = float(rng.uniform(*c.SCOLIOSIS_COBB_DEG)) * (1.0 if rng.random() < 0.5 else -1.0)
    fractures = {}
    if broken < fracture_chance(patient):
        fractures = {levels[first]: shapes[0]} | ({levels[second]: shapes[1]} if two else {})
    metal = operated < c.METAL_SHARE
    return Findings(
        fractures=fractures,
        screws=c.SCREW_LEVELS[lower] if metal and screwed else (),
        cement=(filled,) if metal and not screwed else (),
        cobb_deg=cobb if curved < c.SCOLIOSIS_SHARE else 0.0,
    )
