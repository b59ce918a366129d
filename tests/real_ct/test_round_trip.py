"""Every series of the real corpus that reads, against SimpleITK: each slice to 1 HU, each corner to 0.01 mm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import highdicom
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray

from components.ingest_dicom.geometry import stack_geometry
from components.ingest_dicom.headers import Header
from components.ingest_dicom.read_volume import read_volume
from components.ingest_dicom.scan import SeriesFiles, scan_folder
from components.ingest_dicom.volume import Volume
from models.refusal import RefusedError

pytestmark = pytest.mark.real_ct
Real = Callable[[str], Path]

# archive: series that read, slices in them (multi-frame objects apart), and series that do not read
READABLE = {
    "ge_discovery_ls_lumbar": (1, 99, 0),
    "ge_lightspeed_dicom_seg": (2, 3 + 3, 0),  # single-frame and legacy-converted
    "ge_tilt_variable_spacing": (0, 0, 1),  # gaps of 1.1, 4.2 and 7.4 mm
    # chest, rhapsode and xpress store one slice several times; the pancreas slice has no thickness
    "header_zoo": (9, 1 + 2 + 1 + 1 + 2 + 3 + 1 + 2 + 1, 4),
    "philips_tilt_scout_secondary_capture": (2, 14 + 1, 0),
    "siemens_biograph_j2k_t11_t12": (1, 20, 0),
}
# SimpleITK opens no file with an unknown SOP class
NOT_COMPARED = "toshiba_aquilionONE"


def _assert_slice_is_sitks(hu: NDArray[np.int16], volume: Volume, number: int, header: Header) -> None:
    image = sitk.ReadImage(str(header.path))
    expected = sitk.GetArrayFromImage(image)[0]
    assert np.abs(hu - np.maximum(expected, -1024)).max() <= 1, header.path.name
    rows, columns = expected.shape
    for row, column in ((0, 0), (rows - 1, 0), (0, columns - 1), (rows - 1, columns - 1)):
        place = image.TransformIndexToPhysicalPoint((column, row, 0))
        found = volume.index_to_lps((number, row, column))
        np.testing.assert_allclose(found, place, atol=0.01, err_msg=header.path.name)


def _assert_object_is_highdicoms(volume: Volume, header: Header) -> None:
    """SimpleITK gives the frames of a multi-frame object no positions of their own; highdicom does."""
    frames = sitk.GetArrayFromImage(sitk.ReadImage(str(header.path))).astype(int)
    assert sorted(map(hash, map(bytes, np.maximum(frames, -1024).astype(np.int16)))) == sorted(
        map(hash, map(bytes, volume.hu))
    )
    theirs = highdicom.imread(header.path).get_volume()
    index = np.stack(np.meshgrid(*(np.arange(n) for n in theirs.spatial_shape), indexing="ij"), axis=-1)
    places = index @ theirs.affine[:3, :3].T + theirs.affine[:3, 3]
    ours = np.rint(volume.lps_to_index(places)).astype(int)
    np.testing.assert_allclose(volume.index_to_lps(ours), places, atol=0.01)
    found = volume.hu[ours[..., 0], ours[..., 1], ours[..., 2]]
    assert np.abs(found - np.maximum(theirs.array.astype(int), -1024)).max() <= 1


def _compare(series: SeriesFiles, volume: Volume) -> None:
    assert volume.hu.dtype == np.int16
    if series.files[0].frames:
        _assert_object_is_highdicoms(volume, series.files[0])
        return
    order = stack_geometry(series.slices, 0.1).order
    for number, index in enumerate(order):
        header = series.slices[index]
        if not header.path.name.startswith(NOT_COMPARED):
            _assert_slice_is_sitks(volume.hu[number], volume, number, header)


@pytest.mark.parametrize("archive", READABLE)
def test_every_series_that_reads_is_what_other_programs_read(real_data: Real, archive: str) -> None:
    read = slices = refused = 0
    for series in scan_folder(real_data(archive)).series:
        try:
            volume = read_volume(series)
        except RefusedError:
            refused += 1
            continue
        _compare(series, volume)
        read += 1
        slices += len(series.slices)
    assert (read, slices, refused) == READABLE[archive]
