"""Pedicles, laminae, facets, transverse and spinous processes: the mass DXA sees and a body's CT does not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.simulate_cohort import constants as c
from components.simulate_cohort.anatomy import Vertebra
from components.simulate_cohort.mineral_box import Grid, MineralBox, inside, local_grid
from components.simulate_cohort.patient import Patient
from components.simulate_cohort.texture import regional
from components.simulate_cohort.vertebral_body import wall_radius

FloatArray = NDArray[np.float64]
LIGHT_CORE = 0.20  # core density of pedicles and processes relative to POSTERIOR_MG_CC; laminae have 0.6


def _ellipsoid(
    parts: tuple[FloatArray, FloatArray, FloatArray], radii: tuple[float, float, float]
) -> FloatArray:
    """Depth (mm) below the surface of an ellipsoid, approximate, from offsets along its axes."""
    u, v, w = (part / radius for part, radius in zip(parts, radii, strict=True))
    return (1.0 - np.sqrt(u * u + v * v + w * w)) * min(radii)


def _rod(
    one: FloatArray, two: FloatArray, along: FloatArray, radii: tuple[FloatArray | float, float], half: float
) -> FloatArray:
    """Depth below the surface of an elliptic rod of half length `half`."""
    p, q = one / radii[0], two / radii[1]
    return np.minimum((1.0 - np.sqrt(p * p + q * q)) * np.minimum(*radii), half - np.abs(along))


def depths_mm(grid: Grid, vertebra: Vertebra, facet_growth: float) -> tuple[FloatArray, FloatArray]:
    """Depth below the surface of the dense parts (lamina, facets) and of the lighter ones (the processes)."""
    size = vertebra.size
    a, b, _ = vertebra.half_mm
    side = np.abs(grid.u)  # left and right are mirror images
    v, w = grid.v - 0.85 * b, grid.w
    pedicle_u = 0.62 * a
    pedicle = _rod(side - pedicle_u, w - 5.0 * size, v - 6.0 * size, (3.6 * size, 5.8 * size), 7.0 * size)
    transverse = _rod(v - 11.0 * size, w - 3.0 * size, side - 0.62 * a - 12 * size, (3.2, 4.6), 12.0 * size)
    grow = 1.0 + 0.15 * facet_growth
    facets_up = _ellipsoid(
        (side - 17.0 * size, v - 17.0 * size, w - 11.0 * size),
        (4.9 * size * grow, 4.9 * size * grow, 9.0 * size),
    )
    facets_down = _ellipsoid(
        (side - 13.5 * size, v - 22.0 * size, w + 18.0 * size),
        (4.8 * size * grow, 4.5 * size * grow, 10.5 * size),
    )
    # the lamina is a roof: it falls back from the facets to the spinous process
    roof = v - (26.0 * size - 0.45 * side)
    lamina = np.minimum.reduce(
        [3.0 * size - np.abs(roof), 11.0 * size - np.abs(w + 5.0 * size), 17.0 * size - side]
    )
    slope = w + 8.0 * size + 0.18 * (v - 24.0 * size)
    blade = _rod(side, slope, v - 35.0 * size, (3.6 * size + 0.05 * (v - 35.0), 10.0 * size), 13.0 * size)
    light = np.maximum.reduce([pedicle, transverse, blade])
    return np.maximum.reduce([facets_up, facets_down, lamina]), light


def build_posterior(
    patient: Patient, vertebra: Vertebra, z_range_mm: tuple[float, float]
) -> MineralBox | None:
    """The posterior elements' box, or None when it lies outside the imaged range."""
    size, b = vertebra.size, vertebra.half_mm[1]
    wide = 0.62 * vertebra.half_mm[0] + 26.0 * size
    voxel = c.POSTERIOR_VOXEL_MM
    low = (-wide, 0.5 * b, -36.0 * size)
    high = (wide, 0.85 * b + 56.0 * size, 28.0 * size)
    grid = local_grid(vertebra, low, high, voxel, z_range_mm)
    if grid is None:
        return None
    rng = patient.stream("posterior", vertebra.name)
    dense, light = depths_mm(grid, vertebra, patient.degeneration)
    depth = np.maximum(dense, light)
    radius, height = wall_radius(grid, vertebra, 0.0)
    in_body = inside((1.0 - radius) * b, voxel) * (height < 1.0)
    envelope = inside(depth, voxel) * (1.0 - in_body)
    density = patient.posterior_mg_cc * c.POSTERIOR_LEVEL_RATIO[vertebra.name]
    density *= float(np.exp(0.03 * rng.standard_normal())) * (1.0 + 0.03 * patient.degeneration)
    rind = 0.52 * np.exp(-np.maximum(depth, 0.0) / 1.2)
    cortex = np.where(dense > 0, 0.60 + rind, LIGHT_CORE + 0.6 * rind)
    uneven = np.exp(regional(rng, envelope.shape, voxel, 0.10))
    mineral = np.minimum(density * cortex * uneven, 1500.0) * envelope
    return MineralBox("posterior", vertebra.name, grid.x_mm, grid.y_mm, grid.z_mm, voxel, mineral, envelope)
