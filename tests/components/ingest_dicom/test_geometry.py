"""World coordinates: the same patient point has the same HU however a scan is stored."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.ingest_dicom.geometry import stack_geometry
from components.ingest_dicom.read_volume import read_volume
from components.ingest_dicom.scan import scan_folder
from components.ingest_dicom.volume import Volume
from models.refusal import Code, RefusedError
from tests.dicom_factory import make_series

SPACING_MM = 3.0


def _read(folder: Path) -> Volume:
    return read_volume(scan_folder(folder).series[0])


def _refused(folder: Path) -> tuple[Code, ...]:
    with pytest.raises(RefusedError) as caught:
        _read(folder)
    return caught.value.codes


def test_axial_series_has_the_affine_worked_out_by_hand(tmp_path: Path) -> None:
    make_series(tmp_path, slices=4, pixel_spacing_mm=(0.5, 0.75), origin_mm=(-10.0, -20.0, -300.0))
    volume = _read(tmp_path)
    # DICOM PS3.3 C.7.6.2.1.1: PixelSpacing is (between rows, between columns)
    expected = [[0, 0, 0.75, -10], [0, 0.5, 0, -20], [3, 0, 0, -300], [0, 0, 0, 1]]
    np.testing.assert_allclose(volume.affine, expected, atol=1e-9)
    np.testing.assert_allclose(volume.index_to_lps([2, 4, 8]), [-4.0, -18.0, -294.0])
    assert volume.spacing_mm == pytest.approx((3.0, 0.5, 0.75))


@pytest.mark.parametrize(
    ("orientation", "origin_mm", "turn"),
    [
        ("axial", (0.0, 0.0, 0.0), lambda a: a),
        ("axial_flipped_rows", (0.0, 6 * SPACING_MM, 0.0), lambda a: a[:, ::-1, :]),
        ("axial_flipped_columns", (7 * SPACING_MM, 0.0, 0.0), lambda a: a[:, :, ::-1]),
        ("axial_head_first", (0.0, 0.0, 4 * SPACING_MM), lambda a: a[::-1]),
        ("coronal", (0.0, 0.0, 4 * SPACING_MM), lambda a: a[::-1].transpose(1, 0, 2)),
        ("sagittal", (0.0, 0.0, 4 * SPACING_MM), lambda a: a[::-1].transpose(2, 0, 1)),
    ],
)
def test_every_storage_of_one_body_gives_the_same_hu_at_the_same_point(
    tmp_path: Path, orientation: str, origin_mm: tuple[float, float, float], turn: object
) -> None:
    body = np.random.default_rng(3).integers(-900, 1500, (5, 7, 8)).astype(np.int16)  # (z, y, x)
    stored = turn(body)  # type: ignore[operator]
    make_series(
        tmp_path,
        slices=stored.shape[0],
        rows=stored.shape[1],
        columns=stored.shape[2],
        hu=stored,
        orientation=orientation,
        origin_mm=origin_mm,
        spacing_mm=SPACING_MM,
        pixel_spacing_mm=(SPACING_MM, SPACING_MM),
        names=[f"{(index * 7) % 11}" for index in range(stored.shape[0])],  # order of names means nothing
    )
    volume = _read(tmp_path)
    z, y, x = np.meshgrid(*(np.arange(n) for n in body.shape), indexing="ij")
    points = np.stack([x, y, z], axis=-1) * SPACING_MM
    index = np.rint(volume.lps_to_index(points)).astype(int)
    np.testing.assert_array_equal(volume.hu[index[..., 0], index[..., 1], index[..., 2]], body)


@settings(max_examples=60, deadline=None)
@given(
    angles=st.tuples(*[st.floats(-math.pi, math.pi)] * 3),
    spacing=st.tuples(*[st.floats(0.1, 10)] * 3),
    origin=st.tuples(*[st.floats(-2000, 2000)] * 3),
    index=st.tuples(*[st.floats(-100, 600)] * 3),
)
def test_lps_and_index_are_inverse_for_any_rotation_and_spacing(
    angles: tuple[float, ...], spacing: tuple[float, ...], origin: tuple[float, ...], index: tuple[float, ...]
) -> None:
    affine = np.eye(4)
    for axis, angle in enumerate(angles):
        turn = np.eye(4)
        a, b = [k for k in range(3) if k != axis]
        turn[a, a] = turn[b, b] = math.cos(angle)
        turn[a, b], turn[b, a] = -math.sin(angle), math.sin(angle)
        affine = affine @ turn
    affine[:3, :3] *= spacing
    affine[:3, 3] = origin
    volume = Volume(np.zeros((2, 2, 2), np.int16), affine)
    np.testing.assert_allclose(volume.lps_to_index(volume.index_to_lps(index)), index, atol=1e-6)
    assert volume.spacing_mm == pytest.approx(spacing)


def test_a_tilted_stack_is_measured_and_keeps_its_shear(tmp_path: Path) -> None:
    make_series(tmp_path, slices=5, tilt_deg=20.0, spacing_mm=4.0)
    series = scan_folder(tmp_path).series[0]
    geometry = stack_geometry(series.files, 0.1)
    assert geometry.tilt_deg == pytest.approx(20.0, abs=0.01)
    # the table moves 4 mm along z: along the tilted normal that is 4 * cos(20 degrees) = 3.759 mm
    assert geometry.slice_spacing_mm == pytest.approx(3.7588, abs=1e-3)
    np.testing.assert_allclose(read_volume(series).affine[:3, 0], [0, 0, 4.0], atol=1e-6)


def test_a_missing_slice_is_counted_and_refused(tmp_path: Path) -> None:
    make_series(tmp_path, slices=10, skip=[4, 5])
    geometry = stack_geometry(scan_folder(tmp_path).series[0].files, 0.1)
    assert (geometry.gap_count, geometry.slice_count, geometry.slice_spacing_mm) == (2, 8, pytest.approx(3.0))
    assert _refused(tmp_path) == (Code.SLICE_MISSING,)


def test_uneven_spacing_is_refused(tmp_path: Path) -> None:
    make_series(tmp_path, per_slice={5: {"ImagePositionPatient": [-10.0, -20.0, -284.0]}})
    assert Code.GEOMETRY_INCONSISTENT in _refused(tmp_path)


def test_a_slice_moved_sideways_is_refused(tmp_path: Path) -> None:
    make_series(tmp_path, per_slice={5: {"ImagePositionPatient": [-12.0, -20.0, -285.0]}})
    assert _refused(tmp_path) == (Code.GEOMETRY_INCONSISTENT,)


def test_two_slices_at_one_position_are_refused(tmp_path: Path) -> None:
    make_series(tmp_path, per_slice={5: {"ImagePositionPatient": [-10.0, -20.0, -288.0]}})
    codes = _refused(tmp_path)
    assert codes == (Code.SLICE_DUPLICATED, Code.SLICE_MISSING)


@pytest.mark.parametrize("keyword", ["ImageOrientationPatient", "ImagePositionPatient", "PixelSpacing"])
def test_missing_geometry_is_refused_and_never_taken_from_other_attributes(
    tmp_path: Path, keyword: str
) -> None:
    make_series(tmp_path, per_slice={2: {keyword: None}}, SliceLocation=5.0)
    assert _refused(tmp_path) == (Code.ORIENTATION_MISSING,)


@pytest.mark.parametrize(
    "change",
    [{"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}, {"PixelSpacing": [0.9, 0.9]}],
)
def test_slices_that_disagree_are_refused(tmp_path: Path, change: dict[str, object]) -> None:
    make_series(tmp_path, per_slice={3: change})
    assert _refused(tmp_path) == (Code.GEOMETRY_INCONSISTENT,)


def test_a_single_slice_takes_its_thickness(tmp_path: Path) -> None:
    make_series(tmp_path, slices=1, spacing_mm=5.0)
    assert _read(tmp_path).spacing_mm[0] == pytest.approx(5.0)
