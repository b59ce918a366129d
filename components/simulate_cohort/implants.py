"""Pedicle screws with rods, and bone cement: what a reader leaves out, and the streaks it makes in a CT."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.simulate_cohort import constants as c
from components.simulate_cohort.anatomy import Vertebra
from components.simulate_cohort.mineral_box import MineralBox, inside, local_grid
from components.simulate_cohort.mineral_field import MineralField
from components.simulate_cohort.sampling import upsample

FloatArray = NDArray[np.float64]
VOXEL_MM = 0.8
SCREW_MM, SCREW_LONG_MM, ROD_MM = 3.2, 46.0, 2.75  # half diameters and length; common products, rounded
STREAK_ORDERS = np.arange(5, 26)


def build_implants(field: MineralField) -> list[MineralBox]:
    """Boxes of titanium and of cement; `mineral_mg_cc` is zero in them, the CT fills their envelope."""
    findings, stack = field.findings, field.stack
    z_range = (stack.z_range_mm[0] - 6.0, stack.z_range_mm[1] + 6.0)
    boxes: list[MineralBox | None] = []
    heads: list[list[FloatArray]] = [[], []]
    for level in findings.screws:
        bone = stack.vertebrae[level]
        for k, side in enumerate((-1.0, 1.0)):
            box, head = _screw(bone, side, z_range)
            boxes.append(box)
            heads[k].append(head)
    boxes += [_rod(side[0], side[-1], z_range) for side in heads if len(side) > 1]
    boxes += [_cement(field, stack.vertebrae[level], z_range) for level in findings.cement]
    return [box for box in boxes if box is not None]


def _box(
    name: str, level: str, axes: tuple[FloatArray, FloatArray, FloatArray], share: FloatArray
) -> MineralBox:
    return MineralBox(name, level, *axes, VOXEL_MM, np.zeros_like(share), share)


def _screw(
    bone: Vertebra, side: float, z_range_mm: tuple[float, float]
) -> tuple[MineralBox | None, FloatArray]:
    """A screw through the pedicle into the body, converging forwards; and where its head is."""
    a, b, size = float(bone.half_mm[0]), float(bone.half_mm[1]), bone.size
    head = np.array([side * (0.60 * a + 3.4 * size), 0.85 * b + 21.0 * size, 5.0 * size])
    tip = head + SCREW_LONG_MM * size * np.array([-side * 0.22, -0.97, -0.03])
    low, high = (end - 6.0 for end in (np.minimum(head, tip), np.maximum(head, tip) + 12.0))
    corners = np.array(
        [
            [(low, high)[i][0], (low, high)[j][1], (low, high)[k][2]]
            for i in (0, 1)
            for j in (0, 1)
            for k in (0, 1)
        ]
    )
    turned = corners @ bone.axes
    grid = local_grid(bone, turned.min(axis=0), turned.max(axis=0), VOXEL_MM, z_range_mm)
    place = head @ bone.axes + bone.centre_mm
    if grid is None:
        return None, place
    along = (tip - head) / np.linalg.norm(tip - head)
    offset = [axis - float(start) for axis, start in zip((grid.u, grid.v, grid.w), head, strict=True)]
    t = offset[0] * along[0] + offset[1] * along[1] + offset[2] * along[2]
    radial = np.sqrt(np.maximum(sum(part * part for part in offset) - t * t, 0.0))
    length = float(np.linalg.norm(tip - head))
    shaft = np.minimum(SCREW_MM - radial, np.minimum(t, length - t))
    tulip = np.minimum(6.0 - radial, np.minimum(t + 6.0, 6.0 - t))
    share = inside(np.maximum(shaft, tulip), VOXEL_MM)
    return _box("titanium", bone.name, (grid.x_mm, grid.y_mm, grid.z_mm), share), place


def _rod(one: FloatArray, two: FloatArray, z_range_mm: tuple[float, float]) -> MineralBox | None:
    """A straight rod that joins two heads and stands out 8 mm at either end."""
    along = (two - one) / np.linalg.norm(two - one)
    ends = (one - 8.0 * along, two + 8.0 * along)
    low, high = np.minimum(*ends) - 4.0, np.maximum(*ends) + 4.0
    low[2], high[2] = max(low[2], z_range_mm[0]), min(high[2], z_range_mm[1])
    if high[2] - low[2] < 2 * VOXEL_MM:
        return None
    x, y, z = (np.arange(low[k], high[k], VOXEL_MM) for k in range(3))
    offset = (x[None, None] - ends[0][0], y[None, :, None] - ends[0][1], z[:, None, None] - ends[0][2])
    t = offset[0] * along[0] + offset[1] * along[1] + offset[2] * along[2]
    radial = np.sqrt(np.maximum(offset[0] ** 2 + offset[1] ** 2 + offset[2] ** 2 - t * t, 0.0))
    length = float(np.linalg.norm(ends[1] - ends[0]))
    share = inside(np.minimum(ROD_MM - radial, np.minimum(t, length - t)), VOXEL_MM)
    return _box("titanium", "rod", (x, y, z), share)


def _cement(field: MineralField, bone: Vertebra, z_range_mm: tuple[float, float]) -> MineralBox | None:
    """A lobed cloud of cement between the trabeculae of the body's front half."""
    a, b, h = (float(value) for value in bone.half_mm)
    lost = bone.fracture
    h *= 1.0 if lost is None else 1.0 - max(lost.front, lost.middle, lost.back)
    reach = np.array([0.7, 0.0, 0.0]) * a + np.array([0.0, 0.7, 0.0]) * b + np.array([0.0, 0.0, 0.75]) * h
    wide = np.abs(bone.axes.T) @ reach + 2.0
    grid = local_grid(bone, -wide, wide, VOXEL_MM, z_range_mm)
    if grid is None:
        return None
    rng = field.patient.stream("cement", bone.name)
    u, v, w = grid.u / (0.55 * a), (grid.v + 0.15 * b) / (0.50 * b), grid.w / (0.68 * h)
    lobes = upsample(rng.standard_normal((5, 6, 7)) * 0.28, grid.u.shape)
    depth = (1.0 + lobes - np.sqrt(u * u + v * v + w * w)) * 0.5 * min(b, h)
    share = inside(depth, 3.0) * c.CEMENT_SHARE
    return _box("bone_cement", bone.name, (grid.x_mm, grid.y_mm, grid.z_mm), share)


def add_streaks(
    field: MineralField,
    volume: FloatArray,
    boxes: list[MineralBox],
    z_mm: FloatArray,
    y_mm: FloatArray,
    x_mm: FloatArray,
) -> None:
    """Streaks of titanium on (S, H, W) HU in place: rays around each screw, a dark band between the two.

    Beam hardening and photon starvation are not computed; the pattern and its strength are illustrative.
    """
    rng = field.patient.stream("streaks")
    phase = rng.uniform(0.0, 2.0 * np.pi, STREAK_ORDERS.size)
    weight = rng.standard_normal(STREAK_ORDERS.size) / np.sqrt(STREAK_ORDERS.size / 2)
    metal = [box for box in boxes if box.part == "titanium"]
    for s, z in enumerate(z_mm.tolist()):
        centres = []
        for box in metal:
            if not box.z_mm[0] <= z <= box.z_mm[-1]:
                continue
            plane = box.envelope[int(np.abs(box.z_mm - z).argmin())]
            area = float(plane.sum()) * VOXEL_MM**2
            if area > 10.0:
                middle = (plane.sum(axis=0) @ box.x_mm, plane.sum(axis=1) @ box.y_mm)
                centres.append(
                    (*(float(part) / float(plane.sum()) for part in middle), min(area / 150.0, 1.0))
                )
        for x0, y0, strength in centres:
            dx, dy = x_mm[None, :] - x0, y_mm[:, None] - y0
            distance = np.sqrt(dx * dx + dy * dy)
            angle = np.arctan2(dy, dx)
            fan = np.zeros_like(distance)
            for order, shift, part in zip(
                STREAK_ORDERS.tolist(), phase.tolist(), weight.tolist(), strict=True
            ):
                fan += part * np.cos(order * angle + shift)
            fan *= c.STREAK_HU * strength * 12.0 / (12.0 + distance)
            fan *= np.clip(distance / 4.0, 0.0, 1.0)
            volume[s] += fan
