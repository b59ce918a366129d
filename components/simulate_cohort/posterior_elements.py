"""Pedicles, laminae, facets, transverse and spinous processes: the mass DXA sees and a body's CT does not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from components.simulate_cohort import constants as c
from components.simulate_cohort.anatomy import Vertebra
from components.simulate_cohort.mineral_box import MineralBox, inside, local_grid
from components.simulate_cohort.patient import Patient
from components.simulate_cohort.sampling import upsample
from components.simulate_cohort.vertebral_body import wall_radius

FloatArray = NDArray[np.float64]
Shape = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]
LIGHT_CORE, DENSE_CORE = 0.24, 0.42  # core density of processes and of laminae, relative to POSTERIOR_MG_CC
RIND, RIND_MM = 0.56, 1.2  # cortex on top of it: at the surface, and how fast it falls off inwards
OUTSIDE = -9.0


def _ellipsoid(
    parts: tuple[FloatArray, FloatArray, FloatArray], radii: tuple[float, float, float]
) -> FloatArray:
    """Depth (mm) below the surface of an ellipsoid, approximate, from offsets along its axes."""
    u, v, w = (part / radius for part, radius in zip(parts, radii, strict=True))
    return (1.0 - np.sqrt(u * u + v * v + w * w)) * min(radii)


def _rod(
    one: FloatArray,
    two: FloatArray,
    along: FloatArray,
    radii: tuple[FloatArray | float, FloatArray | float],
    half: float,
) -> FloatArray:
    """Depth below the surface of an elliptic rod of half length `half`, its ends rounded off."""
    p, q, s = one / radii[0], two / radii[1], along / half
    s *= s
    return np.asarray((1.0 - np.sqrt(p * p + q * q + s * s * s)) * np.minimum(*radii))


class Parts:
    """Depth fields (Z, Y, X) of the dense and the light parts, each shape evaluated only around itself."""

    def __init__(self, vertebra: Vertebra, coordinates: tuple[FloatArray, FloatArray, FloatArray]) -> None:
        self._uvw = coordinates
        shape = coordinates[0].shape
        self.dense, self.light = np.full(shape, OUTSIDE), np.full(shape, OUTSIDE)
        self._axes = vertebra.axes
        self._grid: tuple[FloatArray, FloatArray, FloatArray] | None = None

    def place(self, x_mm: FloatArray, y_mm: FloatArray, z_mm: FloatArray) -> None:
        """Voxel centres relative to the body's centre."""
        self._grid = (x_mm, y_mm, z_mm)

    def add(
        self,
        centre: tuple[float, float, float],
        reach: tuple[float, float, float],
        shape: Shape,
        *,
        dense: bool,
    ) -> None:
        """Add a shape whose surface lies within `reach` (u, v, w) of `centre`, both in the body's own axes."""
        assert self._grid is not None
        middle = np.array(centre) @ self._axes
        wide = np.array(reach) @ np.abs(self._axes) + 1.0
        window = []
        for k in (2, 1, 0):
            places = self._grid[k]
            first, last = np.searchsorted(places, (middle[k] - wide[k], middle[k] + wide[k])).tolist()
            window.append(slice(first, last))
        at = tuple(window)
        if any(part.stop <= part.start for part in window):
            return
        u, v, w = (axis[at] for axis in self._uvw)
        depth = (self.dense if dense else self.light)[at]
        np.maximum(depth, shape(u, v, w), out=depth)


def _add_parts(parts: Parts, vertebra: Vertebra, facet_growth: float) -> None:
    size = vertebra.size
    a, b, _ = (float(value) for value in vertebra.half_mm)
    back = 0.85 * b  # the posterior wall
    pedicle = c.PEDICLE_HALF_WIDTH_MM[vertebra.name] * size
    reach = c.TRANSVERSE_MM[vertebra.name] * size
    grow = 1.0 + 0.15 * facet_growth
    for side in (-1.0, 1.0):

        def pedicle_depth(u: FloatArray, v: FloatArray, w: FloatArray, side: float = side) -> FloatArray:
            # pedicles spread backwards
            across = side * u - (0.60 * a + 0.12 * (v - back))
            return _rod(across, w - 5.0 * size, v - back - 6.0 * size, (pedicle, 6.0 * size), 8.5 * size)

        def transverse_depth(u: FloatArray, v: FloatArray, w: FloatArray, side: float = side) -> FloatArray:
            # they lean backwards and thin out towards the tip
            along = side * u - 0.58 * a - reach / 2
            thin = 1.0 - 0.25 * along / reach
            lean = v - back - 11.0 * size - 0.22 * along
            return _rod(
                lean, w - 3.5 * size - 0.10 * along, along, (3.1 * size * thin, 5.0 * size * thin), reach / 2
            )

        def up_depth(u: FloatArray, v: FloatArray, w: FloatArray, side: float = side) -> FloatArray:
            offsets = (
                side * u - 17.0 * size,
                v - back - 17.0 * size + 0.15 * (w - 11.0 * size),
                w - 11.0 * size,
            )
            return _ellipsoid(offsets, (4.9 * size * grow, 4.9 * size * grow, 9.5 * size))

        def down_depth(u: FloatArray, v: FloatArray, w: FloatArray, side: float = side) -> FloatArray:
            offsets = (side * u - 13.5 * size, v - back - 22.0 * size, w + 18.0 * size)
            return _ellipsoid(offsets, (4.8 * size * grow, 4.5 * size * grow, 11.0 * size))

        parts.add(
            (side * 0.66 * a, back + 6 * size, 5 * size),
            (pedicle + 2.5, 9 * size, 6.5 * size),
            pedicle_depth,
            dense=False,
        )
        parts.add(
            (side * (0.58 * a + reach / 2), back + 11 * size, 3.5 * size),
            (reach / 2 + 1, 7.5 * size, 8 * size),
            transverse_depth,
            dense=False,
        )
        parts.add(
            (side * 17 * size, back + 17 * size, 11 * size),
            (6.5 * size, 8 * size, 10 * size),
            up_depth,
            dense=True,
        )
        parts.add(
            (side * 13.5 * size, back + 22 * size, -18 * size),
            (6.5 * size, 6 * size, 11.5 * size),
            down_depth,
            dense=True,
        )

    def lamina_depth(u: FloatArray, v: FloatArray, w: FloatArray) -> FloatArray:
        # a roof over the canal: it falls back from the facets to the spinous process, and downwards
        side = np.abs(u)
        apex = np.sqrt(u * u + 16.0 * size * size) - 4.0 * size
        roof = v - back - (24.0 * size - 0.50 * apex) + 0.22 * (w + 5.0 * size)
        p, q = side / (18.0 * size), (w + 5.0 * size) / (11.5 * size)
        p, q = p * p, q * q
        return np.minimum(2.9 * size - np.abs(roof), (1.0 - np.sqrt(p * p + q * q)) * 9.0 * size)

    def spinous_depth(u: FloatArray, v: FloatArray, w: FloatArray) -> FloatArray:
        # a hatchet: thin blade, higher and thicker towards its rounded end, drooping a little
        along = (v - back - 38.0 * size) / (16.0 * size)
        end = along * along
        end = np.sqrt(np.clip(1.0 - end * end * end, 0.0, 1.0))
        droop = w + 9.0 * size + 2.5 * size * along
        thick = (3.2 + 0.9 * along) * size * end
        high = (8.8 + 1.8 * along) * size * end
        q = droop / np.maximum(high, 0.1)
        q *= q
        return np.minimum(thick * np.sqrt(np.clip(1.0 - q * q, 0.0, 1.0)) - np.abs(u), high - np.abs(droop))

    parts.add((0.0, back + 20 * size, -5 * size), (19 * size, 9 * size, 12 * size), lamina_depth, dense=True)
    parts.add(
        (0.0, back + 38 * size, -9 * size), (5 * size, 17 * size, 14 * size), spinous_depth, dense=False
    )


def build_posterior(
    patient: Patient, vertebra: Vertebra, z_range_mm: tuple[float, float]
) -> MineralBox | None:
    """The posterior elements' box, or None when it lies outside the imaged range."""
    size, b = vertebra.size, float(vertebra.half_mm[1])
    wide = 0.58 * float(vertebra.half_mm[0]) + (c.TRANSVERSE_MM[vertebra.name] + 2.0) * size
    wide = max(wide, 24.0 * size)
    voxel = c.POSTERIOR_VOXEL_MM
    lean = np.abs(vertebra.axes[2][:2]) * 24.0 * size + np.abs(vertebra.axes[0][1]) * wide
    low = (-wide - lean[0], 0.5 * b - lean[1], -36.0 * size)
    high = (wide + lean[0], 0.85 * b + 55.0 * size + lean[1], 24.0 * size)
    grid = local_grid(vertebra, low, high, voxel, z_range_mm)
    if grid is None:
        return None
    rng = patient.stream("posterior", vertebra.name)
    centre = vertebra.centre_mm
    parts = Parts(vertebra, (grid.u, grid.v, grid.w))
    parts.place(grid.x_mm - centre[0], grid.y_mm - centre[1], grid.z_mm - centre[2])
    _add_parts(parts, vertebra, patient.degeneration)
    density = patient.posterior_mg_cc * c.POSTERIOR_LEVEL_RATIO[vertebra.name]
    density *= float(np.exp(0.03 * rng.standard_normal())) * (1.0 + 0.03 * patient.degeneration)
    shape = grid.u.shape
    coarse = tuple(max(int(n * voxel / 5.0) + 1, 2) for n in shape)
    across = upsample(rng.standard_normal(coarse[1:]) * 0.07, shape[1:])
    along = upsample(rng.standard_normal((coarse[0], coarse[2])) * 0.07, (shape[0], shape[2]))
    # the rest only where there is bone
    place = np.flatnonzero(np.maximum(parts.dense, parts.light) > -0.5 * voxel)
    at_z, at_y, at_x = np.unravel_index(place, shape)
    dense, light = parts.dense.ravel()[place], parts.light.ravel()[place]
    depth = np.maximum(dense, light)
    u, v, w = (axis.ravel()[place] for axis in (grid.u, grid.v, grid.w))
    radius = wall_radius(u, v, w, vertebra, 0.0)
    in_body = inside((1.0 - radius) * b, voxel) * (np.abs(w) < vertebra.half_mm[2])
    share = inside(depth, voxel) * (1.0 - in_body)
    rind = RIND * np.exp(-np.maximum(depth, 0.0) / RIND_MM)
    cortex = np.where(dense > 0, DENSE_CORE + rind, LIGHT_CORE + rind)
    uneven = np.exp(across[at_y, at_x] + along[at_z, at_x])
    envelope, mineral = np.zeros(shape), np.zeros(shape)
    envelope.ravel()[place] = share
    mineral.ravel()[place] = np.minimum(density * cortex * uneven, 1500.0) * share
    return MineralBox("posterior", vertebra.name, grid.x_mm, grid.y_mm, grid.z_mm, voxel, mineral, envelope)
