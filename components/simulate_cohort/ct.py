"""The CT of a field: partial volume, kernel, slice profile, tube voltage, calibration and noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.simulate_cohort import constants as c
from components.simulate_cohort.abdomen import Enhancement
from components.simulate_cohort.anatomy import Stack
from components.simulate_cohort.attenuation import HuTable, hu_table
from components.simulate_cohort.ct_noise import noise_slices
from components.simulate_cohort.implants import add_streaks, build_implants
from components.simulate_cohort.mineral_box import MineralBox
from components.simulate_cohort.mineral_field import MARGIN_MM, MineralField
from components.simulate_cohort.pelvis import build_iliac_wings
from components.simulate_cohort.ribs import build_ribs
from components.simulate_cohort.sacrum import build_sacrum
from components.simulate_cohort.sampling import sampling_weights, touched
from components.simulate_cohort.scanner import Acquisition
from components.simulate_cohort.soft_tissue import between_planes, key_planes
from models.levels import LEVELS

FloatArray = NDArray[np.float64]
FIELD_CENTRE_POSTERIOR_MM = 14.0  # the field of view is centred between body and spinous process
MAX_HU = 3071
BONES = frozenset({"body", "posterior", "sacrum", "ilium", "rib"})


@dataclass(frozen=True)
class CtImage:
    """A rendered CT.

    Attributes
    ----------
    hu
        (S, H, W) int16, slices ascending in z (superior), rows anterior to posterior, columns right to left.
    affine
        (4, 4) (slice, row, column, 1) -> LPS mm.
    labels
        (S, H, W) uint8, 1..4 for the bodies of L1..L4.
    offset_mm
        (3,) LPS position of the patient's own origin.
    """

    hu: NDArray[np.int16]
    affine: FloatArray
    labels: NDArray[np.uint8]
    offset_mm: FloatArray


def _resample(values: FloatArray, weights: tuple[FloatArray, FloatArray, FloatArray]) -> FloatArray:
    along_z, along_y, along_x = weights
    z, y, x = values.shape
    slices = (along_z @ values.reshape(z, y * x)).reshape(-1, y, x)
    return np.asarray(along_y @ (slices @ along_x.T))


def _filling_hu(box: MineralBox, table: HuTable, marrow_fat: float) -> float:
    if box.part not in BONES:  # disc, titanium, bone_cement
        return table.tissue_hu[box.part]
    fat = marrow_fat if box.part == "body" else min(marrow_fat + 0.15, 0.95)
    return fat * table.tissue_hu["yellow_marrow"] + (1.0 - fat) * table.tissue_hu["red_marrow"]


def surrounding_bones(field: MineralField, half_view_mm: float) -> list[MineralBox]:
    """Sacrum, iliac wings and lower ribs: in the images only, the DXA's lines leave them out."""
    low, high = field.stack.z_range_mm
    z_range = (low - MARGIN_MM, high + MARGIN_MM)
    reach = half_view_mm + 8.0
    return [
        *build_sacrum(field.patient, field.stack, z_range),
        *build_iliac_wings(field.patient, field.stack, z_range, reach),
        *build_ribs(field.patient, field.stack, z_range, reach),
    ]


def _draw(
    box: MineralBox,
    volume: FloatArray,
    labels: NDArray[np.uint8],
    places_mm: tuple[FloatArray, FloatArray, FloatArray],
    acquisition: Acquisition,
    table: HuTable,
    marrow_fat: float,
) -> None:
    """Put a box into the (S, H, W) volume, and a body of L1-L4 into the labels."""
    z, y, x = places_mm
    thickness = acquisition.protocol.slice_thickness_mm
    # voxels much coarser than pixels are smoothed, or their steps would show
    sigma = float(np.hypot(acquisition.psf_sigma_mm, 0.45 * max(box.voxel_mm - c.POSTERIOR_VOXEL_MM, 0.0)))
    at_z = touched(box.z_mm, z, thickness / 2 + 3 * c.SLICE_EDGE_SIGMA_MM)
    at_y, at_x = touched(box.y_mm, y, 4 * sigma), touched(box.x_mm, x, 4 * sigma)
    if min(s.stop - s.start for s in (at_z, at_y, at_x)) <= 0:
        return  # the box lies wholly outside this field of view
    edge = c.SLICE_EDGE_SIGMA_MM
    weights = (
        sampling_weights(box.z_mm, box.voxel_mm, z[at_z], sigma_mm=edge, width_mm=thickness),
        sampling_weights(box.y_mm, box.voxel_mm, y[at_y], sigma_mm=sigma),
        sampling_weights(box.x_mm, box.voxel_mm, x[at_x], sigma_mm=sigma),
    )
    envelope = _resample(box.envelope, weights)
    part = volume[at_z, at_y, at_x]
    part += envelope * (_filling_hu(box, table, marrow_fat) - part)
    if box.part in BONES:
        part += _resample(box.mineral_mg_cc, weights) * table.hu_per_mg_cc
    if box.part == "body" and box.level in LEVELS:
        labels[at_z, at_y, at_x][envelope > 0.5] = LEVELS.index(box.level) + 1


def slice_places_mm(stack: Stack, acquisition: Acquisition) -> FloatArray:
    """z of the slices, ascending, from T12 to S1, in the patient's own frame."""
    low, high = stack.z_range_mm
    spacing = acquisition.protocol.slice_spacing_mm
    count = int((high - low) / spacing)
    return (low + high) / 2 + spacing * (np.arange(count, dtype=np.float64) - (count - 1) / 2)


def voxel_places_mm(stack: Stack, acquisition: Acquisition) -> tuple[FloatArray, FloatArray, FloatArray]:
    """z, y and x of slices, rows and columns, ascending, in the patient's own frame."""
    matrix = acquisition.matrix
    _, centre_y = stack.centreline_mm(np.array([0.0]))
    grid = acquisition.pixel_spacing_mm * (np.arange(matrix, dtype=np.float64) - (matrix - 1) / 2)
    return slice_places_mm(stack, acquisition), grid + float(centre_y[0]) + FIELD_CENTRE_POSTERIOR_MM, grid


def image_affine(
    places_mm: tuple[FloatArray, FloatArray, FloatArray], acquisition: Acquisition, tilt_deg: float
) -> FloatArray:
    """(4, 4) (slice, row, column, 1) -> LPS mm of the image with its voxels at these places."""
    z, y, x = places_mm
    lean = np.deg2rad(tilt_deg)
    row_step = np.array([0.0, np.cos(lean), np.sin(lean)]) * acquisition.pixel_spacing_mm
    middle_row = (acquisition.matrix - 1) / 2
    offset = np.array(acquisition.isocentre_mm)
    affine = np.eye(4)
    affine[:3, 0] = (0.0, 0.0, acquisition.protocol.slice_spacing_mm)
    affine[:3, 1] = row_step
    affine[:3, 2] = (acquisition.pixel_spacing_mm, 0.0, 0.0)
    affine[:3, 3] = np.array([x[0], y.mean(), z[0]]) - row_step * middle_row + offset
    return affine


def render(
    field: MineralField,
    acquisition: Acquisition,
    *,
    rng: np.random.Generator,
    table: HuTable | None = None,
    enhancement: Enhancement | None = None,
    tilt_deg: float = 0.0,
) -> CtImage:
    """Image the field.

    Parameters
    ----------
    rng
        Noise.
    table
        Attenuation; by default that of the acquisition's tube voltage.
    tilt_deg
        Gantry tilt; slice planes lean, their places stay along the table.
    """
    table = table or hu_table(acquisition.kvp)
    z, y, x = voxel_places_mm(field.stack, acquisition)
    plane_z, planes = key_planes(field.patient, field.stack, x, y, table, enhancement or Enhancement())
    volume = between_planes(plane_z, planes, z)
    labels = np.zeros(volume.shape, dtype=np.uint8)
    implants = build_implants(field)
    discs, bones = field.of("disc"), (*field.of("posterior"), *field.of("body"))
    for box in (*discs, *surrounding_bones(field, float(x[-1])), *bones, *implants):
        _draw(box, volume, labels, (z, y, x), acquisition, table, field.patient.marrow_fat)
    if field.findings.screws:
        add_streaks(field, volume, implants, z, y, x)
    if tilt_deg != 0.0:
        volume, labels = _lean(
            volume, labels, tilt_deg, acquisition.pixel_spacing_mm, acquisition.protocol.slice_spacing_mm
        )
    hu = _calibrated(volume, acquisition, rng)
    affine = image_affine((z, y, x), acquisition, tilt_deg)
    return CtImage(hu, affine, labels, np.array(acquisition.isocentre_mm))


def _calibrated(volume: FloatArray, acquisition: Acquisition, rng: np.random.Generator) -> NDArray[np.int16]:
    """The scanner's own scale and noise, slice by slice, rounded only at the end."""
    hu = np.empty(volume.shape, dtype=np.int16)
    noise = noise_slices(
        rng,
        volume.shape[0],
        acquisition.matrix,
        acquisition.noise_sd_hu,
        acquisition.pixel_spacing_mm,
        acquisition.psf_sigma_mm,
    )
    for exact, stored, grain in zip(volume, hu, noise, strict=True):
        exact *= acquisition.scale
        exact += acquisition.offset_hu
        exact += grain
        np.rint(exact, out=exact)
        np.clip(exact, -1024.0, MAX_HU, out=exact)
        stored[:] = exact
    return hu


def _lean(
    volume: FloatArray, labels: NDArray[np.uint8], tilt_deg: float, pixel_mm: float, spacing_mm: float
) -> tuple[FloatArray, NDArray[np.uint8]]:
    """The stack as planes leaning by `tilt_deg` about the left-right axis would show it (edges repeat)."""
    slices, rows, _ = volume.shape
    lean = np.deg2rad(tilt_deg)
    out, marks = np.empty_like(volume), np.empty_like(labels)
    for row in range(rows):
        along = (row - (rows - 1) / 2) * pixel_mm
        y = np.clip((rows - 1) / 2 + along * np.cos(lean) / pixel_mm, 0, rows - 1.001)
        z = np.clip(np.arange(slices) + along * np.sin(lean) / spacing_mm, 0, slices - 1.001)
        y0, z0 = int(y), z.astype(np.int64)
        fy, fz = y - y0, (z - z0)[:, None]
        near = volume[:, y0] * (1 - fy) + volume[:, y0 + 1] * fy
        out[:, row] = near[z0] * (1 - fz) + near[z0 + 1] * fz
        marks[:, row] = labels[np.rint(z).astype(np.int64), round(float(y))]
    return out, marks
