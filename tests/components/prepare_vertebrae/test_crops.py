"""Crops: right place, right direction, the same from any storage order, averaged and never aliased."""

from __future__ import annotations

import math
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from components.ingest_dicom.read_volume import read_volume
from components.ingest_dicom.scan import scan_folder
from components.ingest_dicom.volume import Volume
from components.prepare_vertebrae.crops import extract_crops
from components.prepare_vertebrae.levels import VertebraLevel, spine_levels
from components.prepare_vertebrae.params import PrepareParams
from models.crop_store import CropGeometry
from models.refusal import Code, RefusedError
from tests.dicom_factory import make_series

SMALL = CropGeometry(pixels=24, size_mm=48.0, slices=3, slice_spacing_mm=2.0, centre_shift_mm=0.0)


def upright(centre: tuple[float, float, float]) -> VertebraLevel:
    return VertebraLevel("L2", np.array(centre, dtype=float), np.eye(3))


def affine_of(
    spacing_mm: tuple[float, float, float], centre_mm: tuple[float, float, float], shape
) -> np.ndarray:
    """Axial storage: slices cranial, rows to the back, columns to the left; `centre_mm` in the middle."""
    slice_mm, row_mm, column_mm = spacing_mm
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0, 0, column_mm], [0, row_mm, 0], [slice_mm, 0, 0]])
    affine[:3, 3] = np.array(centre_mm) - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine


def crop(volume: Volume, level: VertebraLevel, geometry: CropGeometry = SMALL, offsets=(0.0,)):
    return extract_crops(volume, level, geometry, offsets, coverage_tolerance_mm=3.0)


def ramp(shape=(40, 50, 50), spacing_mm=(2.0, 1.5, 1.5)) -> Volume:
    """HU = 1 x + 4 y + 10 z (mm, LPS): linear, so linear interpolation is exact."""
    affine = affine_of(spacing_mm, (0, 0, 0), shape)
    index = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    x, y, z = np.moveaxis(index @ affine[:3, :3].T + affine[:3, 3], -1, 0)
    return Volume(np.rint(x + 4 * y + 10 * z).astype(np.int16), affine)


def test_directions_and_positions_by_hand() -> None:
    shifted = SMALL.model_copy(update={"centre_shift_mm": 6.0})
    got = crop(ramp(), upright((3.0, -2.0, 5.0)), shifted, offsets=(0.0, 4.0))
    assert got.shape == (2, 3, 24, 24)
    assert got.dtype == np.int16
    # centre (3, -2 + 6, 5): pixels of 2 mm; row 0 is 23 mm above, column 0 is 23 mm in front of it
    assert got[0, 1, 0, 0] == pytest.approx(3 + 4 * (4 - 23) + 10 * (5 + 23), abs=1)
    assert got[0, 1, 23, 23] == pytest.approx(3 + 4 * (4 + 23) + 10 * (5 - 23), abs=1)
    # channels go to the patient's left by 2 mm; the second crop lies 4 mm further left
    assert int(got[0, 2, 12, 12]) - int(got[0, 0, 12, 12]) == pytest.approx(4, abs=1)
    assert int(got[1, 1, 12, 12]) - int(got[0, 1, 12, 12]) == pytest.approx(4, abs=1)


def test_a_tilted_vertebra_is_cropped_along_its_own_axes() -> None:
    lean = np.radians(20.0)
    axes = np.array([[1, 0, 0], [0, np.cos(lean), -np.sin(lean)], [0, np.sin(lean), np.cos(lean)]])
    got = crop(ramp((60, 70, 50)), VertebraLevel("L1", np.zeros(3), axes))
    # one pixel down is -2 mm along (0, sin, cos): 4 y + 10 z changes by -2 (4 sin + 10 cos)
    step = float(got[0, 1, 23, 12]) - float(got[0, 1, 0, 12])
    assert step == pytest.approx(-46 * (4 * np.sin(lean) + 10 * np.cos(lean)), abs=1.5)


def stored_otherwise(volume: Volume, order: tuple[int, ...], flips: tuple[bool, ...]) -> Volume:
    """The same voxels at the same places, with array axes permuted and reversed."""
    hu = volume.hu.transpose(order)
    affine = volume.affine.copy()
    affine[:, :3] = volume.affine[:, list(order)]
    for axis, flip in enumerate(flips):
        if flip:
            affine[:3, 3] += affine[:3, axis] * (hu.shape[axis] - 1)
            affine[:3, axis] *= -1
            hu = np.flip(hu, axis)
    return Volume(np.ascontiguousarray(hu), affine)


def test_every_storage_order_gives_the_same_crops() -> None:
    rng = np.random.default_rng(7)
    shape = (26, 64, 66)
    hu = ndimage.gaussian_filter(rng.normal(0, 1500, shape), 1.0).astype(np.int16)
    volume = Volume(hu, affine_of((3.0, 1.1, 1.1), (1.0, 2.0, 3.0), shape))
    lean = np.radians(11.0)
    axes = np.array([[1, 0, 0], [0, np.cos(lean), -np.sin(lean)], [0, np.sin(lean), np.cos(lean)]])
    level = VertebraLevel("L3", np.array([1.3, 2.2, 2.6]), axes)
    expected = crop(volume, level)
    assert expected.std() > 30  # there is something to get wrong
    for order, flips in product(permutations(range(3)), product((False, True), repeat=3)):
        got = crop(stored_otherwise(volume, order, flips), level)
        assert np.abs(got.astype(int) - expected).max() <= 1, (order, flips)


def test_a_finer_source_is_averaged_not_aliased() -> None:
    # stripes of +-300 HU that alternate every 0.5 mm from side to side: their mean over 2 mm cells is zero
    shape = (60, 120, 160)
    hu = np.broadcast_to(np.where(np.arange(160) % 2, 300, -300).astype(np.int16), shape)
    volume = Volume(np.ascontiguousarray(hu), affine_of((1.0, 0.5, 0.5), (0, 0, 0), shape))
    assert np.abs(crop(volume, upright((0.1, 0, 0)))).max() <= 20


def test_averaging_lowers_white_noise_as_the_number_of_voxels_says() -> None:
    shape = (100, 100, 60)
    hu = np.random.default_rng(3).normal(0, 100, shape).astype(np.int16)
    volume = Volume(hu, affine_of((0.5, 0.5, 0.5), (0, 0, 0), shape))
    got = crop(
        volume,
        upright((0.25, 0.25, 0.25)),
        CropGeometry(pixels=20, size_mm=40, slices=3, slice_spacing_mm=2, centre_shift_mm=0.0),
    )
    # a cell of 2 mm holds 4 x 4 x 4 voxels: SD near 100 / 8, never the 100 of a point sample
    assert 9 < got.std() < 14


def test_padding_counts_as_air() -> None:
    shape = (40, 50, 50)
    volume = Volume(np.full(shape, -3024, np.int16), affine_of((2.0, 1.5, 1.5), (0, 0, 0), shape))
    assert (crop(volume, upright((0, 0, 0))) == -1024).all()


def test_a_crop_beyond_the_volume_is_refused_but_a_little_is_not() -> None:
    volume = ramp()  # reaches from -40 to 40 mm along z
    assert crop(volume, upright((0, 0, 18.0))).shape[0] == 1  # 24 + 18 = 42: 2 mm beyond
    with pytest.raises(RefusedError, match=r"L2.* 6\.0 mm beyond") as refused:
        crop(volume, upright((0, 0, 22.0)))
    assert refused.value.codes == (Code.LEVELS_NOT_IN_VIEW,)


def test_the_middle_of_a_crop_is_the_body(
    spine: Volume, centres: dict[str, np.ndarray], params: PrepareParams
) -> None:
    for level in spine_levels(centres, params.levels, source="test")[1:3]:
        got = crop(spine, level, params.geometry)[0]
        body = got[1] > 95
        rows, columns = np.nonzero(body[35:61])
        pixel_mm = params.geometry.size_mm / params.geometry.pixels
        assert rows.mean() + 35 == pytest.approx(47.5, abs=1)
        assert (47.5 - columns.mean()) * pixel_mm == pytest.approx(params.geometry.centre_shift_mm, abs=1.0)


def test_a_tilted_stack_gives_the_crops_of_the_body_not_of_the_shear(tmp_path: Path) -> None:
    # the ramp HU = 1 x + 4 y + 10 z sampled by a gantry tilted by 20 degrees, written and read back as DICOM
    slices, side, pixel_mm, spacing_mm = 60, 60, 1.5, 2.0
    origin = np.array([-45.0, -45.0, -60.0])
    turn = math.radians(20.0)
    column = np.array([0.0, math.cos(turn), -math.sin(turn)])
    slice_, row, col = np.meshgrid(np.arange(slices), np.arange(side), np.arange(side), indexing="ij")
    points = (
        origin
        + slice_[..., None] * spacing_mm * np.array([0.0, 0.0, 1.0])
        + row[..., None] * pixel_mm * column
        + col[..., None] * pixel_mm * np.array([1.0, 0.0, 0.0])
    )
    make_series(
        tmp_path,
        slices=slices,
        rows=side,
        columns=side,
        hu=np.rint(points @ [1.0, 4.0, 10.0]).astype(np.int16),
        pixel_spacing_mm=(pixel_mm, pixel_mm),
        spacing_mm=spacing_mm,
        origin_mm=tuple(origin),
        tilt_deg=20.0,
    )
    volume = read_volume(scan_folder(tmp_path).series[0])
    assert volume.affine[2, 1] == pytest.approx(-pixel_mm * math.sin(turn))  # the stack is sheared indeed
    got = crop(volume, upright((2.0, -3.0, -4.0)))
    # pixels of 2 mm: row 0 is 23 mm above the centre, column 0 is 23 mm in front of it
    down, along = np.meshgrid(np.arange(24) * 2.0 - 23.0, np.arange(24) * 2.0 - 23.0, indexing="ij")
    expected = 2.0 + 4.0 * (-3.0 + along) + 10.0 * (-4.0 - down)
    np.testing.assert_allclose(got[0, 1], expected, atol=1.0)
