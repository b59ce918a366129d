"""Where the vertebrae of one patient stand: centres, body axes and sizes of a connected spine from T12 to S1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.simulate_cohort import constants as c
from components.simulate_cohort.findings import Findings, Fracture
from components.simulate_cohort.patient import STACK, Patient

SCAN_ABOVE_T12_MM = 13.0  # above its centre: the whole of T12, and a 64 mm crop around L1
SCAN_BELOW_S1_MM = 6.0  # below its centre

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
        (3,) half width, half depth, half height of the body (the height before any fracture).
    wedge_mm
        How much higher the body is at its front wall than at its back wall.
    fracture
        What is lost of its height, if it is fractured.
    """

    name: str
    centre_mm: FloatArray
    axes: FloatArray
    half_mm: FloatArray
    size: float
    wedge_mm: float = 0.0
    fracture: Fracture | None = None


@dataclass(frozen=True)
class Stack:
    """All vertebrae, the sacrum, the discs between them, and the imaged range (T12 to S1)."""

    vertebrae: dict[str, Vertebra]
    sacrum: Vertebra
    disc_centres_mm: dict[str, FloatArray]
    z_range_mm: tuple[float, float]

    def centreline_mm(self, z_mm: FloatArray) -> tuple[FloatArray, FloatArray]:
        """x and y of the line through the body centres at each z."""
        bones = [self.sacrum, *(self.vertebrae[name] for name in reversed(STACK))]
        centres = np.array([bone.centre_mm for bone in bones])
        return np.interp(z_mm, centres[:, 2], centres[:, 0]), np.interp(z_mm, centres[:, 2], centres[:, 1])


def _axes(tilt_rad: float, lateral_rad: float, rotation_rad: float) -> FloatArray:
    up = np.array([np.sin(lateral_rad), np.sin(tilt_rad), 1.0])
    up /= np.sqrt(up @ up)
    left = np.array([1.0, 0.0, 0.0]) - up[0] * up
    left /= np.sqrt(left @ left)
    left = np.cos(rotation_rad) * left + np.sin(rotation_rad) * np.cross(up, left)
    return np.stack([left, np.cross(up, left), up])


def _bends_deg(findings: Findings, half: dict[str, FloatArray]) -> dict[str, float]:
    """Forward tilt that wedge fractures add per level: the spine bends there, as a whole it still lies flat."""
    bends, bend = {}, 0.0
    for name in reversed(STACK):
        lost = findings.fractures.get(name)
        kink = 0.0
        if lost is not None:
            kink = float(np.rad2deg(np.arctan((lost.front - lost.back) * half[name][2] / half[name][1])))
        bends[name] = bend - kink / 2
        bend -= kink
    mean = sum(bends.values()) / len(bends)
    return {name: value - mean for name, value in bends.items()} | {"S1": -mean / 2}


def _frames(
    patient: Patient, findings: Findings, half: dict[str, FloatArray], rng: np.random.Generator
) -> dict[str, FloatArray]:
    """Axes per level: lordosis, a coronal curve, rotation coupled to it, and the bend of wedge fractures."""
    whole_lean, whole_turn = rng.normal(0.0, 1.0, 2) * (c.SPINE_OBLIQUITY_SD_DEG, c.SPINE_ROTATION_SD_DEG)
    bends = _bends_deg(findings, half)
    mild = float(np.rad2deg(patient.sway_mm / 80.0))
    frames = {}
    for k, name in enumerate((*STACK, "S1")):
        jitter = rng.normal(0.0, 1.0, 2)
        lateral, turn = whole_lean, whole_turn
        if name != "S1":  # the pelvis does not follow the curve
            phase = np.pi * k / 5  # T12 leans one way, L5 the other
            lateral += (mild + findings.cobb_deg / 2) * np.cos(phase) + 0.45 * jitter[1]
            turn += c.SCOLIOSIS_TURN_PER_COBB * findings.cobb_deg * np.sin(phase)
        tilt = patient.lordosis * c.TILT_DEG[name] + 1.2 * jitter[0] + bends[name]
        frames[name] = _axes(np.deg2rad(tilt), np.deg2rad(lateral), np.deg2rad(turn))
    return frames


def build_stack(patient: Patient, findings: Findings) -> Stack:
    """Stack the vertebrae downwards from T12 along their own axes; the origin is the centre of L3."""
    rng = patient.stream("anatomy")
    half = {}
    for name in STACK:
        mean = np.array([c.BODY_WIDTH_MM[name], c.BODY_DEPTH_MM[name], c.BODY_HEIGHT_MM[name]]) / 2
        half[name] = mean * patient.size * np.exp(rng.normal(0, 0.015, 3))
    half["S1"] = np.array(c.S1_SIZE_MM) / 2 * patient.size
    frames = _frames(patient, findings, half, rng)
    position = np.zeros(3)
    placed: dict[str, FloatArray] = {}
    discs: dict[str, FloatArray] = {}
    for upper, lower in zip(STACK, [*STACK[1:], "S1"], strict=True):
        placed[upper] = position
        disc = (
            c.DISC_HEIGHT_MM[upper]
            * patient.size
            * float(np.exp(rng.normal(-0.12 * patient.degeneration, 0.08)))
        )
        edge = position - frames[upper][2] * _half_height(findings, upper, half)
        middle = (frames[upper][2] + frames[lower][2]) / 2
        discs[upper] = edge - middle * disc / 2
        position = edge - middle * disc - frames[lower][2] * _half_height(findings, lower, half)
    placed["S1"] = position
    origin = placed["L3"]
    bones = {
        name: Vertebra(
            name,
            placed[name] - origin,
            frames[name],
            half[name],
            patient.size,
            c.BODY_WEDGE_MM.get(name, 0.0) * patient.size,
            findings.fractures.get(name),
        )
        for name in (*STACK, "S1")
    }
    sacrum = bones.pop("S1")
    z_range = (
        float(sacrum.centre_mm[2]) - SCAN_BELOW_S1_MM,
        float(bones["T12"].centre_mm[2]) + SCAN_ABOVE_T12_MM,
    )
    return Stack(bones, sacrum, {name: centre - origin for name, centre in discs.items()}, z_range)


def _half_height(findings: Findings, name: str, half: dict[str, FloatArray]) -> float:
    """Half of the height between the endplates along the axis, the mean of front, middle and back."""
    lost = findings.fractures.get(name)
    share = 1.0 if lost is None else 1.0 - (lost.front + lost.middle + lost.back) / 3
    return float(half[name][2]) * share
