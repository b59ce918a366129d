"""The mineral field of one vertebral body: walls, endplates, shell and trabecular core."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.simulate_cohort import constants as c
from components.simulate_cohort.anatomy import Vertebra
from components.simulate_cohort.mineral_box import Grid, MineralBox, inside, local_grid
from components.simulate_cohort.patient import Patient
from components.simulate_cohort.sampling import upsample
from components.simulate_cohort.texture import trabecular_factor

FloatArray = NDArray[np.float64]
ROUNDED = 0.45
HOLLOW_MM = 1.6  # how much lower the middle of an endplate is than its rim
OSTEOPHYTE = 0.10  # widening of the rims per unit of degeneration, at the front


def wall_radius(
    u: FloatArray, v: FloatArray, w: FloatArray, vertebra: Vertebra, degeneration: float
) -> FloatArray:
    """Normalised radius r (1 on the wall) at points in the body's own axes.

    The cross-section is a superellipse with a flattened, slightly hollow posterior wall; the waist is narrower
    than the rims, and osteophytes widen the rims, most at the front, with degeneration.
    """
    a, b, h = vertebra.half_mm
    square = np.minimum(np.square(w / h), 1.2)
    widen = 0.90 + 0.10 * square
    if degeneration > 0.0:
        np.minimum(square, 1.0, out=square)
        square *= square
        square *= square
        widen += OSTEOPHYTE * degeneration * square * np.clip(0.75 - 0.5 * v / b, 0.2, 1.2)
    behind = np.square(u / (0.35 * a))
    np.exp(np.negative(behind, out=behind), out=behind)
    behind *= 0.10
    behind += 1.10
    q = v / b
    np.multiply(q, behind, out=q, where=v > 0)
    q *= q
    p = np.square(u / a)
    # a rounded rectangle without powers: between an ellipse (0) and ever flatter sides
    total = p + q
    p *= q
    p /= np.maximum(total, 1e-9)
    p *= -ROUNDED
    p += total
    np.sqrt(p, out=p)
    p /= widen
    return p


def half_height_mm(v: FloatArray, radius: FloatArray, vertebra: Vertebra) -> FloatArray:
    """Height of the endplates above the middle plane: wedge, hollow middle, and what a fracture took."""
    b, h = float(vertebra.half_mm[1]), float(vertebra.half_mm[2])
    depth = np.clip(v / b, -1.1, 1.1)
    middle = np.clip(1.0 - radius * radius, 0.0, 1.0)  # 1 on the axis, 0 at the wall
    height = h - HOLLOW_MM * middle - (vertebra.wedge_mm / 4) * depth
    lost = vertebra.fracture
    if lost is not None:
        rim = lost.front + (lost.back - lost.front) * (depth + 1.0) / 2
        height -= h * (rim + (lost.middle - (lost.front + lost.back) / 2) * middle)
    return height


def rounded_depth_mm(side: FloatArray, cap: FloatArray, radius_mm: float) -> FloatArray:
    """Depth below two surfaces that meet in an edge rounded with this radius."""
    depth = np.minimum(side, cap)
    edge = np.flatnonzero((np.maximum(side, cap) < radius_mm) & (depth > -1.0))
    one, two = radius_mm - side.ravel()[edge], radius_mm - cap.ravel()[edge]
    depth.ravel()[edge] = radius_mm - np.sqrt(one * one + two * two)
    return depth


def _uneven(rng: np.random.Generator, shape: tuple[int, int, int], voxel_mm: float) -> FloatArray:
    """Factor (Z, Y, X) around 1 for the thickness of the cortex: two drawn planes, smooth over centimetres."""
    z, y, x = (max(int(n * voxel_mm / 6.0) + 1, 3) for n in shape)
    across = upsample(rng.standard_normal((y, x)), shape[1:])
    along = upsample(rng.standard_normal((z, x)), (shape[0], shape[2]))
    return 1.0 + c.CORTEX_UNEVEN_SD * np.clip(across[None] + along[:, None], -3.0, 3.0)


def _tight_box(vertebra: Vertebra, osteophytes: float) -> tuple[FloatArray, FloatArray]:
    """Corners (x, y, z), relative to the centre, of the smallest box around the tilted body."""
    a, b, h = vertebra.half_mm
    front, side, back = (1.02 + OSTEOPHYTE * osteophytes * part for part in (1.2, 0.8, 0.3))
    across = np.abs(vertebra.axes[0]) * (a * side) + np.abs(vertebra.axes[2]) * (
        h + abs(vertebra.wedge_mm) / 4
    )
    v_low, v_high = -b * front * vertebra.axes[1], b * back / 1.08 * vertebra.axes[1]
    low = np.minimum(v_low, v_high) - across - 0.8
    high = np.maximum(v_low, v_high) + across + 0.8
    return low, high


def build_body(patient: Patient, vertebra: Vertebra, z_range_mm: tuple[float, float]) -> MineralBox | None:
    """The body's box, or None when it lies outside the imaged range."""
    b, h = float(vertebra.half_mm[1]), float(vertebra.half_mm[2])
    voxel = c.BODY_VOXEL_MM
    rng = patient.stream("body", vertebra.name)
    osteophytes = patient.degeneration * float(np.exp(0.3 * rng.standard_normal()))
    low, high = _tight_box(vertebra, osteophytes)
    grid = local_grid(vertebra, low, high, voxel, z_range_mm)
    if grid is None:
        return None
    u, v, w = grid.u, grid.v, grid.w
    radius = wall_radius(u, v, w, vertebra, osteophytes)
    side = np.sqrt(u * u + v * v)
    side *= 1.0 / np.maximum(radius, 0.05) - 1.0
    flat = np.abs(w)
    half_height = half_height_mm(v, radius, vertebra)
    cap = half_height - flat
    depth = rounded_depth_mm(side, cap, c.RIM_ROUNDING_MM)
    envelope = inside(depth, voxel)
    shell = patient.shell_mm * float(np.exp(0.05 * rng.standard_normal()))
    uneven = shell * _uneven(rng, depth.shape, voxel)
    side -= uneven
    plate = c.ENDPLATE_FACTOR * (1.0 + 0.35 * patient.degeneration)
    cap -= plate * uneven
    depth -= shell
    core = inside(np.minimum(np.minimum(side, cap, out=side), depth, out=depth), voxel)
    vbmd = patient.level_vbmd_mg_cc[vertebra.name]
    trabecular = trabecular_factor(rng, depth.shape, voxel, patient.quality, vbmd)
    towards_plate = np.minimum(flat / h, 1.0)
    towards_plate *= towards_plate
    towards_plate *= towards_plate
    trabecular *= 0.93 + 0.35 * towards_plate
    trabecular *= 1.0 - 0.75 * _basivertebral_vein(grid, b)
    if vertebra.fracture is not None:
        trabecular *= _impaction(half_height, flat, h)
    mineral = core * (vbmd * trabecular)
    mineral += (envelope - core) * c.SHELL_MG_CC
    return MineralBox("body", vertebra.name, grid.x_mm, grid.y_mm, grid.z_mm, voxel, mineral, envelope)


def _basivertebral_vein(grid: Grid, b: float) -> FloatArray:
    vein = np.exp(-(np.square(grid.w / 3.0) + np.square(grid.u / 4.0)))
    vein *= np.clip(grid.v / b, 0.0, 1.0)
    return np.asarray(vein)


def _impaction(half_height_mm: FloatArray, flat_mm: FloatArray, h: float) -> FloatArray:
    """Factor on trabecular bone where it was pressed together: denser by what was lost, most below the plate."""
    left = np.clip(half_height_mm / (h - 0.5 * HOLLOW_MM), 0.35, 1.0)
    band = np.clip(1.0 - (half_height_mm - flat_mm) / 6.0, 0.0, 1.0)
    return 1.0 + c.IMPACTION * (1.0 / left - 1.0) * (0.6 + 0.8 * band)
