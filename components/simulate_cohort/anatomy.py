"""Where the vertebrae of one patient stand: centres, body axes and sizes of a connected stack T12-L5."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.simulate_cohort import constants as c
from components.simulate_cohort.patient import STACK, Patient

SCAN_ABOVE_T12_MM = 10.0  # above its centre: a 64 mm crop around L1 lies inside the images
SCAN_BELOW_L5_MM = 6.0  # below its centre, likewise for L4

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Vertebra:
    """One vertebra's place.

    Attributes
    ----------
    centre_mm
        (3,) x (left), y (posterior), z (superior), millimetres, in the patient's own frame.
    axes
        (3, 3) rows are the unit vectors left, posterior, superior of the body.
    half_mm
        (3,) half width, half depth, half height of the body.
    """

    name: str
    centre_mm: FloatArray
    axes: FloatArray
    half_mm: FloatArray
    size: float


@dataclass(frozen=True)
class Stack:
    """All vertebrae, the discs between them, and the imaged range (mid T12 to mid L5)."""

    vertebrae: dict[str, Vertebra]
    disc_centres_mm: dict[str, FloatArray]
    z_range_mm: tuple[float, float]

    def centreline_mm(self, z_mm: FloatArray) -> tuple[FloatArray, FloatArray]:
        """x and y of the line through the body centres at each z."""
        centres = np.array([self.vertebrae[name].centre_mm for name in reversed(STACK)])
        return np.interp(z_mm, centres[:, 2], centres[:, 0]), np.interp(z_mm, centres[:, 2], centres[:, 1])


def _axes(tilt_rad: float, lateral_rad: float) -> FloatArray:
    up = np.array([np.sin(lateral_rad), np.sin(tilt_rad), 1.0])
    up /= np.sqrt(up @ up)
    left = np.array([1.0, 0.0, 0.0]) - up[0] * up
    left /= np.sqrt(left @ left)
    return np.stack([left, np.cross(up, left), up])


def build_stack(patient: Patient) -> Stack:
    """Stack the vertebrae downwards from T12 along their own axes; the origin is the centre of L3."""
    rng = patient.stream("anatomy")
    tilt = {name: np.deg2rad(patient.lordosis * c.TILT_DEG[name] + rng.normal(0, 1.2)) for name in STACK}
    lateral = {
        name: float(patient.sway_mm / 40.0 * np.cos(np.pi * k / 5)) * 0.5 + rng.normal(0, 0.008)
        for k, name in enumerate(STACK)
    }
    half = {}
    for name in STACK:
        mean = np.array([c.BODY_WIDTH_MM[name], c.BODY_DEPTH_MM[name], c.BODY_HEIGHT_MM[name]]) / 2
        half[name] = mean * patient.size * np.exp(rng.normal(0, 0.015, 3))
    position = np.zeros(3)
    placed: dict[str, FloatArray] = {}
    discs: dict[str, FloatArray] = {}
    frames = {name: _axes(tilt[name], lateral[name]) for name in STACK}
    for upper, lower in zip(STACK, [*STACK[1:], None], strict=True):
        placed[upper] = position
        if lower is None:
            break
        disc = (
            c.DISC_HEIGHT_MM[upper]
            * patient.size
            * float(np.exp(rng.normal(-0.12 * patient.degeneration, 0.08)))
        )
        edge = position - frames[upper][2] * half[upper][2]
        middle = (frames[upper][2] + frames[lower][2]) / 2
        discs[upper] = edge - middle * disc / 2
        position = edge - middle * disc - frames[lower][2] * half[lower][2]
    origin = placed["L3"]
    vertebrae = {
        name: Vertebra(name, placed[name] - origin, frames[name], half[name], patient.size) for name in STACK
    }
    z_range = (
        float(vertebrae["L5"].centre_mm[2]) - SCAN_BELOW_L5_MM,
        float(vertebrae["T12"].centre_mm[2]) + SCAN_ABOVE_T12_MM,
    )
    return Stack(vertebrae, {name: centre - origin for name, centre in discs.items()}, z_range)
