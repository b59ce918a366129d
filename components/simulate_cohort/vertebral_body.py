"""The mineral field of one vertebral body: walls, endplates, shell and trabecular core."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.simulate_cohort import constants as c
from components.simulate_cohort.anatomy import Vertebra
from components.simulate_cohort.mineral_box import Grid, MineralBox, inside, local_grid
from components.simulate_cohort.patient import Patient
from components.simulate_cohort.texture import trabecular_factor

FloatArray = NDArray[np.float64]
ROUNDED = 0.45


def wall_radius(grid: Grid, vertebra: Vertebra, degeneration: float) -> tuple[FloatArray, FloatArray]:
    """Normalised radius r (1 on the wall) and relative height |w|/h of every voxel.

    The cross-section is a superellipse with a flattened, slightly hollow posterior wall; the waist is narrower
    than the rims, and osteophytes widen the rims with degeneration.
    """
    a, b, h = vertebra.half_mm
    height = np.abs(grid.w) / h
    square = np.minimum(height * height, 1.2)
    widen = 0.90 + 0.10 * square + 0.10 * degeneration * square**4
    behind = np.where(grid.v > 0, grid.v * (1.10 + 0.10 * np.exp(-((grid.u / (0.35 * a)) ** 2))), grid.v)
    flat_u, flat_v = grid.u / a, behind / b
    p = flat_u * flat_u
    q = flat_v * flat_v
    # a rounded rectangle without powers: between an ellipse (0) and ever flatter sides
    radius = np.sqrt(p + q - ROUNDED * p * q / np.maximum(p + q, 1e-9))
    return radius / widen, height


def build_body(patient: Patient, vertebra: Vertebra, z_range_mm: tuple[float, float]) -> MineralBox | None:
    """The body's box, or None when it lies outside the imaged range."""
    a, b, h = vertebra.half_mm
    reach = h + 5.0 + 0.2 * b
    voxel = c.BODY_VOXEL_MM
    low, high = (-1.2 * a - 2, -1.2 * b - 5, -reach), (1.2 * a + 2, 1.1 * b + 5, reach)
    grid = local_grid(vertebra, low, high, voxel, z_range_mm)
    if grid is None:
        return None
    rng = patient.stream("body", vertebra.name)
    radius, height = wall_radius(grid, vertebra, patient.degeneration)
    distance = np.sqrt(grid.u * grid.u + grid.v * grid.v)
    side = np.where(radius > 0.05, distance * (1.0 / np.maximum(radius, 0.05) - 1.0), 10.0)
    # the endplates are hollow: lower in the middle than at the rim
    cap = h - 1.6 * np.clip(1.0 - radius * radius, 0.0, 1.0) - np.abs(grid.w)
    envelope = inside(side, voxel) * inside(cap, voxel)
    shell = patient.shell_mm * float(np.exp(0.05 * rng.standard_normal()))
    uneven = shell * (1.0 + 0.25 * np.sin(grid.w / h * 2.1 + rng.uniform(0, 6.28)))
    plate = shell * c.ENDPLATE_FACTOR * (1.0 + 0.35 * patient.degeneration)
    core = inside(side - uneven, voxel) * inside(cap - plate, voxel)
    vbmd = patient.level_vbmd_mg_cc[vertebra.name]
    factor = trabecular_factor(rng, envelope.shape, voxel, patient.quality, vbmd)
    profile = 0.93 + 0.35 * np.minimum(height, 1.0) ** 4
    vein = np.exp(-((grid.w / 3.0) ** 2) - (grid.u / 4.0) ** 2) * np.clip(grid.v / b, 0.0, 1.0)
    trabecular = vbmd * factor * profile * (1.0 - 0.75 * vein)
    mineral = core * trabecular + (envelope - core) * c.SHELL_MG_CC
    return MineralBox("body", vertebra.name, grid.x_mm, grid.y_mm, grid.z_mm, voxel, mineral, envelope)
