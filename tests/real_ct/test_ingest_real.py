"""Real scans through the reader, against SimpleITK (GDCM), another program that reads DICOM."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from components.ingest_dicom.aorta import aortic_lumen_hu
from components.ingest_dicom.headers import Header
from components.ingest_dicom.inspect_series import inspect_series
from components.ingest_dicom.nifti import read_nifti
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pixels import read_hu
from components.ingest_dicom.pseudonym import SIMULATED_KEY, Pseudonymiser
from components.ingest_dicom.read_header import read_header
from components.ingest_dicom.read_volume import read_volume
from components.ingest_dicom.scan import scan_folder
from components.ingest_dicom.series import CtSeries
from components.ingest_dicom.volume import Volume
from models.refusal import Code, RefusedError

pytestmark = pytest.mark.real_ct
Real = Callable[[str], Path]
# SimpleITK opens no file with an unknown SOP class
NOT_COMPARED = "toshiba_aquilionONE"


def _row(folder: Path, volume: Volume | None = None) -> CtSeries:
    series = max(scan_folder(folder).series, key=lambda item: len(item.files))
    return inspect_series(series, Pseudonymiser(SIMULATED_KEY), IngestParams(), volume=volume)


def _assert_like_sitk(volume: Volume, paths: list[str]) -> None:
    image = sitk.ReadImage(paths)
    hu = sitk.GetArrayFromImage(image)
    assert np.abs(volume.hu - np.maximum(hu, -1024)).max() <= 1
    size = np.array(image.GetSize())
    for corner in ((0, 0, 0), tuple(size - 1), (0, size[1] - 1, size[2] // 2)):
        x, y, z = (int(value) for value in corner)
        expected = image.TransformIndexToPhysicalPoint((x, y, z))
        np.testing.assert_allclose(volume.index_to_lps((z, y, x)), expected, atol=0.01)


@pytest.mark.parametrize("name", ["ge_discovery_ls_lumbar", "siemens_biograph_j2k_t11_t12"])
def test_a_series_is_what_simpleitk_reads(real_data: Real, name: str) -> None:
    series = scan_folder(real_data(name) / "dicom").series[0]
    ordered = sorted(series.files, key=lambda header: (header.position_mm or (0, 0, 0))[2])
    _assert_like_sitk(read_volume(series), [str(header.path) for header in ordered])


def test_ge_lumbar_row(real_data: Real) -> None:
    row = _row(real_data("ge_discovery_ls_lumbar"))
    assert (row.vendor, row.kvp, row.kernel, row.slice_count) == ("GE", 140.0, "SOFT", 99)
    assert row.slice_spacing_mm == pytest.approx(4.25)
    assert (row.age_years, row.sex, row.image_class) == (49.0, "F", "original")
    assert (row.contrast_tag, row.contrast_words, row.read_codes) == (False, "", "")
    assert 25 <= row.contrast_image_hu <= 65  # native blood


def test_siemens_row_shows_contrast_by_tag_and_image(real_data: Real) -> None:
    row = _row(real_data("siemens_biograph_j2k_t11_t12"))
    assert (row.vendor, row.slice_count, row.contrast_tag, row.series_uid_missing) == (
        "Siemens",
        20,
        True,
        True,
    )
    assert row.patient == ""
    assert math.isnan(row.age_years)
    assert row.contrast_image_hu > 120


def test_native_nifti_has_a_native_aorta(real_data: Real) -> None:
    volume = read_nifti(real_data("totalseg_ct_lumbar_labelled") / "example_ct.nii.gz")
    assert volume.spacing_mm == pytest.approx((3.0, 3.0, 3.0), abs=1e-3)
    assert 20 <= aortic_lumen_hu(volume) <= 65


def test_every_odd_file_is_read_as_simpleitk_reads_it(real_data: Real) -> None:
    paths = sorted(real_data("header_zoo").glob("*.dcm"))
    assert len(paths) == 29
    for path in paths:
        header = read_header(path)
        assert isinstance(header, Header), path.name
        hu = np.stack([read_hu(one) for one in header.frames or (header,)])
        if not path.name.startswith(NOT_COMPARED):
            expected = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
            assert np.abs(hu - np.maximum(expected, -1024)).max() <= 1, path.name


def test_variable_gaps_and_tilt_are_refused(real_data: Real) -> None:
    series = scan_folder(real_data("ge_tilt_variable_spacing")).series[0]
    with pytest.raises(RefusedError) as caught:
        read_volume(series)
    assert Code.GEOMETRY_INCONSISTENT in caught.value.codes
    assert _row(real_data("ge_tilt_variable_spacing")).tilt_deg == pytest.approx(18.5, abs=0.1)


def test_a_mixed_study_is_sorted_out(real_data: Real) -> None:
    result = scan_folder(real_data("philips_tilt_scout_secondary_capture"))
    assert sorted(len(series.files) for series in result.series) == [1, 14]
    assert {other.code for other in result.others} == {Code.SECONDARY_CAPTURE, Code.NOT_DICOM}
    scout = min(result.series, key=lambda item: len(item.files))
    row = inspect_series(scout, Pseudonymiser(SIMULATED_KEY), IngestParams())
    assert (row.image_class, row.image_class_basis) == ("localizer", "header")


def test_a_segmentation_names_the_series_it_refers_to(real_data: Real) -> None:
    result = scan_folder(real_data("ge_lightspeed_dicom_seg"))
    assert result.segmentations[0].referenced_series == (result.series[0].series_instance_uid,)
