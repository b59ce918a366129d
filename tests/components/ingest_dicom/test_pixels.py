"""Stored values to HU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import RLELossless

from components.ingest_dicom.read_volume import read_volume
from components.ingest_dicom.scan import scan_folder
from models.refusal import Code, RefusedError
from tests.dicom_factory import make_series


def _hu(folder: Path) -> np.ndarray:
    return read_volume(scan_folder(folder).series[0]).hu


def test_rescale_is_applied_slice_by_slice(tmp_path: Path) -> None:
    # PET/CT and tilted scanners write another slope per slice: stored 1064 is 40 HU, and 2 * 1064 - 2000 = 128 HU
    make_series(tmp_path, slices=2, per_slice={1: {"RescaleSlope": 2, "RescaleIntercept": -2000}})
    assert [int(slice_[0, 0]) for slice_ in _hu(tmp_path)] == [40, 128]


def test_a_fractional_slope_rounds_in_float(tmp_path: Path) -> None:
    make_series(tmp_path, slices=1, slope=1.0, RescaleSlope="0.5", RescaleIntercept="-100.3", signed=True)
    # stored 1064: 532 - 100.3 = 431.7
    assert int(_hu(tmp_path)[0, 0, 0]) == 432


@pytest.mark.parametrize("signed", [False, True])
def test_signedness_does_not_change_hu(tmp_path: Path, signed: bool) -> None:
    hu = np.array([-1024, -500, 0, 1500], np.int16).repeat(64).reshape(1, 16, 16)
    make_series(tmp_path, slices=1, hu=hu, signed=signed)
    np.testing.assert_array_equal(_hu(tmp_path), hu)


def test_padding_written_as_an_unsigned_number_becomes_air(tmp_path: Path) -> None:
    # GE: stored -2000 in signed pixels, PixelPaddingValue 63536 = 65536 - 2000; with intercept -1024: -3024 HU
    hu = np.full((1, 16, 16), 40, np.int16)
    hu[0, 0] = -3024
    paths = make_series(tmp_path, slices=1, hu=hu, signed=True)
    dataset = dcmread(paths[0])
    dataset.add_new("PixelPaddingValue", "US", 63536)
    dataset.save_as(paths[0])
    result = _hu(tmp_path)
    assert (result[0, 0] == -1024).all()
    assert (result[0, 1:] == 40).all()


def test_a_padding_value_that_is_tissue_wipes_nothing_out(tmp_path: Path) -> None:
    make_series(tmp_path, slices=1, hu=0, PixelPaddingValue=1024)  # stored 1024 is water
    assert (_hu(tmp_path) == 0).all()


def test_values_below_air_are_raised_to_air(tmp_path: Path) -> None:
    make_series(tmp_path, slices=1, hu=-3024, signed=True)
    assert (_hu(tmp_path) == -1024).all()


def test_rle_reads_as_the_uncompressed(tmp_path: Path) -> None:
    hu = np.random.default_rng(0).integers(-1000, 1000, (2, 16, 16)).astype(np.int16)
    for path in make_series(tmp_path, slices=2, hu=hu):
        dataset = dcmread(path)
        dataset.compress(RLELossless, generate_instance_uid=False)
        dataset.save_as(path)
    np.testing.assert_array_equal(_hu(tmp_path), hu)


@pytest.mark.parametrize("change", [{"RescaleSlope": None}, {"RescaleIntercept": None}, {"RescaleSlope": 0}])
def test_missing_rescale_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    make_series(tmp_path, **change)
    with pytest.raises(RefusedError) as caught:
        _hu(tmp_path)
    assert caught.value.codes == (Code.RESCALE_MISSING,)


def test_pixels_that_cannot_be_decoded_are_refused(tmp_path: Path) -> None:
    make_series(tmp_path, slices=2, BitsAllocated=64)
    with pytest.raises(RefusedError) as caught:
        _hu(tmp_path)
    assert caught.value.codes == (Code.PIXELS_UNREADABLE,)
