"""Closed planar contours of one structure as a mask."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.path import Path as Polygon
from numpy.typing import NDArray

from components.prepare_vertebrae.dicom_seg import stacked_mask

PIXEL_MM = 0.75  # of the mask in the contours' planes: no coarser than the CT they were drawn on
PLANAR_MM = 0.5  # largest distance of a point from its contour's plane
PARALLEL = 0.9998  # least cosine between the normals of two contours: 1 degree
EXTENT_MAX_MM = 300.0  # of one vertebra in its planes; a vertebra with its processes is 100 mm
AREA_MIN_MM2 = 1.0
SAME_PLANE_MM = 0.05


class ContourError(ValueError):
    """A contour that no mask can be made of."""


def contour_mask(
    contours: Sequence[NDArray[np.float64]],
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Mask (S, H, W) and its (4, 4) affine to LPS mm; planes of any direction, as long as they are parallel.

    A point that lies inside an odd number of a plane's contours belongs to the structure: holes are drawn as
    contours within contours (PS3.3 C.8.8.6.3), and a contour given twice counts once.

    Parameters
    ----------
    contours
        (M, 3) LPS mm each, in any order.

    Raises
    ------
    ContourError
        Fewer than three points, not planar, not parallel, larger than any vertebra, or all in one plane.
    """
    unique = {tuple(contour.round(3).ravel()): contour for contour in contours}
    polygons = list(unique.values())
    normals = [_normal(polygon) for polygon in polygons]
    normal = normals[0]
    if any(abs(float(other @ normal)) < PARALLEL for other in normals):
        raise ContourError("its contours are not parallel")
    across, down = _plane_axes(normal)
    normal = np.cross(across, down)
    flat = [np.stack([polygon @ across, polygon @ down], axis=-1) for polygon in polygons]
    low = np.min([points.min(axis=0) for points in flat], axis=0) - PIXEL_MM
    high = np.max([points.max(axis=0) for points in flat], axis=0) + PIXEL_MM
    if np.any(high - low > EXTENT_MAX_MM):
        raise ContourError(f"it extends over {float((high - low).max()):.0f} mm, no vertebra does")
    columns, rows = (np.ceil((high - low) / PIXEL_MM).astype(int) + 1).tolist()
    grid = np.stack(
        np.meshgrid(low[0] + np.arange(columns) * PIXEL_MM, low[1] + np.arange(rows) * PIXEL_MM), axis=-1
    ).reshape(-1, 2)
    planes: dict[float, NDArray[np.bool_]] = {}
    for polygon, points in zip(polygons, flat, strict=True):
        height = _same(float((polygon @ normal).mean()), planes)
        inside = Polygon(points).contains_points(grid).reshape(rows, columns)
        planes[height] = planes.get(height, np.zeros_like(inside)) ^ inside
    drawn = {height: mask for height, mask in planes.items() if mask.any()}
    if len(drawn) < 2:
        raise ContourError("it is drawn in one plane only")
    origins = [low[0] * across + low[1] * down + height * normal for height in drawn]
    orientation = np.concatenate([across, down])
    try:
        return stacked_mask(list(drawn.values()), origins, orientation, (PIXEL_MM, PIXEL_MM), None)
    except ValueError as error:
        raise ContourError(str(error)) from error


def _normal(polygon: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit normal (3,) of a planar polygon (Newell's method)."""
    if len(polygon) < 3:
        raise ContourError(f"a contour has {len(polygon)} points; at least 3 make an area")
    around = polygon - polygon.mean(axis=0)
    doubled = np.cross(around, np.roll(around, -1, axis=0)).sum(axis=0)
    length = float(np.linalg.norm(doubled))
    if length < 2 * AREA_MIN_MM2:
        raise ContourError(f"a contour encloses {length / 2:.2f} mm2")
    normal = doubled / length
    stray_mm = float(np.abs(around @ normal).max())
    if stray_mm > PLANAR_MM:
        raise ContourError(f"a contour strays {stray_mm:.1f} mm from its plane; {PLANAR_MM} mm is accepted")
    return normal


def _plane_axes(normal: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two unit vectors (3,) that span the plane, the first near a patient axis."""
    helper = np.eye(3)[int(np.argmin(np.abs(normal)))]
    across = helper - (helper @ normal) * normal
    across /= np.linalg.norm(across)
    return across, np.cross(normal, across)


def _same(height: float, planes: dict[float, NDArray[np.bool_]]) -> float:
    """The plane that is already there, else a new one."""
    return next((known for known in planes if abs(known - height) <= SAME_PLANE_MM), height)
