"""Every transfer syntax that hospitals send reads to the same HU; what was compressed with loss says so."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from components.ingest_dicom.inspect_series import inspect_series
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import SIMULATED_KEY, Pseudonymiser
from components.ingest_dicom.read_volume import read_volume
from components.ingest_dicom.scan import scan_folder
from components.ingest_dicom.series import CtSeries
from models.refusal import Code, RefusedError
from tests.dicom_factory import make_series

SIDE = 32


def _slice() -> NDArray[np.int16]:
    """Air, soft tissue, a body with texture, a bright and a dark spot: (32, 32) int16 HU."""
    y, x = np.mgrid[:SIDE, :SIDE]
    hu = np.full((SIDE, SIDE), -1000, np.int16)
    hu[4:28, 3:29] = 40
    hu[12:20, 12:20] = (131 + (y * 7 + x * 13) % 50)[12:20, 12:20]
    hu[15, 15] = 2976
    hu[20:24, 5] = -2
    return hu


# The slice above as a lossless HTJ2K code stream, written by OpenJPH 0.31 (nothing installed here writes it).
HTJ2K_STREAM = """
/0//UQApQAAAAAAgAAAAIAAAAAAAAAAAAAAAIAAAACAAAAAAAAAAAAABjwEB/1AACAACAAAACv9SAAwAAgABAAIEBEAB/1wA
CiCIkJCQiIiI/2QAFwABT3BlbkpQSCBWZXIgMC4zMS4wLv+QAAoAAAAAAnIAAf+TwAAvZE03kgvVpkHPudBtLnSbC93mQ58p
Svo6Uxk3OEGKAgtbSQmNDhKbQpsuExkp8EBBRMiOHBoyYti42bSpOjlwy3mdek+u89w6T67zMPvuu0oAEAQQCCHxwvgfOVAc
hANaIQDXNQHAABejwAAXp0AAF2YApSIRZgQwkLxwc+NBgajUWGigEQQgfvCBx4P/JNQoYVegRQEQgPjABxaoppIOBABJcGAo
5/lAcUrUzse4PHA+8OUckEmRAf5sEAkgf/gRCSCRABIJIKMI0q4UFEFYcvFtAoBApD2RJhoPWeA/OEgykB//QGQgSAaCZCBR
DmK3lAUYH1wxgXYywjPYaOgYwA0MYGqVAf43SAdHGABJIFIMGMZYkaJms4YOADxoAP7hjhyQ8IBIBPJAo1gglIPFeJLCIwop
GJMxAcAAL2yAAF7tAAC7oAEA4w40/oADDhj6Aw90wIF7jKGAAliLFeiIBx7ogANYLwgggSoCCCABB0seeKADDiTRxSMCeeCB
DkCSByIJCPx5h4AQ/hAjvyS09+HUicdye/A3I6Y09+ACQ4kk8T35BakZYny+wjiH8QPcAoFIHnjggQceeOCBBx544IHGgLyO
ff1IWAAwEgArYIEhTgAZI3jBAB4jwEGQCYCkAx1woAMOOOCAAw444ADjQAb3AAAQoFvspQPfsowPcoxAUjwJtWYQHuhYEEag
CNxgwR+whPZQAAIYBNIxgU0jGBTSMAC/1wMHDABmGe4CLsDArhgNGLAEGIABS4ABRJAMHPh5wbOYAEC5ADwAA+AESlAFxUUQ
3GEC4YIygQfyA98B/9k=
"""


def _native(folder: Path, syntax: str) -> Path:
    path = make_series(
        folder,
        slices=1,
        rows=SIDE,
        columns=SIDE,
        intercept=0,
        signed=True,
        hu=_slice()[None],
        syntax=ExplicitVRLittleEndian if syntax == ExplicitVRBigEndian else syntax,
    )[0]
    if syntax == ExplicitVRBigEndian:
        swapped = Dataset()
        for element in dcmread(path):  # converts each value, so that it is written in the other order
            swapped.add(element)
        swapped.file_meta = dcmread(path).file_meta
        swapped.file_meta.TransferSyntaxUID = syntax
        swapped.PixelData = _slice().astype(">i2").tobytes()
        swapped.save_as(path, enforce_file_format=True)
    return path


def _by_pydicom(folder: Path, syntax: str) -> Path:
    path = _native(folder, ExplicitVRLittleEndian)
    dataset = dcmread(path)
    dataset.compress(syntax, generate_instance_uid=False)
    dataset.save_as(path)
    return path


def _encapsulated(folder: Path, syntax: str, stream: bytes) -> Path:
    path = _native(folder, ExplicitVRLittleEndian)
    dataset = dcmread(path)
    dataset.PixelData = encapsulate([stream])
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(path)
    return path


def _lossless_jpeg(folder: Path, syntax: str) -> Path:
    """GDCM writes process 14, selection value 1, which is also valid under the wider syntax."""
    folder.mkdir()
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.SetFileName(str(folder / "by_gdcm.dcm"))
    writer.UseCompressionOn()
    writer.SetCompressor("JPEG")
    writer.Execute(sitk.GetImageFromArray(_slice()[None]))
    written = dcmread(folder / "by_gdcm.dcm")
    (folder / "by_gdcm.dcm").unlink()
    assert written.file_meta.TransferSyntaxUID == JPEGLosslessSV1
    return _encapsulated(folder, syntax, next(generate_frames(written.PixelData, number_of_frames=1)))


def _htj2k(folder: Path, syntax: str) -> Path:
    return _encapsulated(folder, syntax, base64.b64decode(HTJ2K_STREAM))


WRITERS: list[tuple[str, Callable[[Path, str], Path]]] = [
    (ImplicitVRLittleEndian, _native),
    (ExplicitVRLittleEndian, _native),
    (ExplicitVRBigEndian, _native),
    (DeflatedExplicitVRLittleEndian, _native),
    (RLELossless, _by_pydicom),
    (JPEGLossless, _lossless_jpeg),
    (JPEGLosslessSV1, _lossless_jpeg),
    (JPEGLSLossless, _by_pydicom),
    (JPEG2000Lossless, _by_pydicom),
    (HTJ2KLossless, _htj2k),
    (HTJ2KLosslessRPCL, _htj2k),
    (HTJ2K, _htj2k),
]


def _row(folder: Path) -> CtSeries:
    return inspect_series(scan_folder(folder).series[0], Pseudonymiser(SIMULATED_KEY), IngestParams())


@pytest.mark.parametrize(("syntax", "write"), WRITERS, ids=[syntax.keyword for syntax, _ in WRITERS])
def test_one_slice_reads_the_same_in_every_syntax(
    tmp_path: Path, syntax: str, write: Callable[[Path, str], Path]
) -> None:
    path = write(tmp_path / "series", syntax)
    assert dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID == syntax
    series = scan_folder(tmp_path / "series").series[0]
    np.testing.assert_array_equal(read_volume(series).hu[0], _slice())
    header = series.files[0]
    assert (header.transfer_syntax_uid, header.truncated) == (syntax, False)


def test_one_series_may_mix_syntaxes(tmp_path: Path) -> None:
    hu = np.stack([_slice() + number for number in range(3)]).astype(np.int16)
    paths = make_series(tmp_path, slices=3, rows=SIDE, columns=SIDE, hu=hu, signed=True, intercept=0)
    for path, syntax in zip(paths, (RLELossless, JPEG2000Lossless), strict=False):
        dataset = dcmread(path)
        dataset.compress(syntax, generate_instance_uid=False)
        dataset.save_as(path)
    np.testing.assert_array_equal(read_volume(scan_folder(tmp_path).series[0]).hu, np.maximum(hu, -1024))


def test_near_lossless_is_read_and_said_to_be_lossy(tmp_path: Path) -> None:
    path = _native(tmp_path, ExplicitVRLittleEndian)
    dataset = dcmread(path)
    dataset.compress(JPEGLSNearLossless, jls_error=3, generate_instance_uid=False)
    dataset.save_as(path)
    difference = np.abs(read_volume(scan_folder(tmp_path).series[0]).hu[0].astype(int) - _slice())
    assert 0 < difference.max() <= 3
    assert _row(tmp_path).lossy


@pytest.mark.parametrize(
    ("syntax", "declared", "lossy"),
    [
        (JPEG2000, "", True),  # the syntax allows loss and nobody says that there was none
        (JPEG2000, "00", False),
        (JPEG2000Lossless, "01", True),  # compressed with loss before, stored without
    ],
)
def test_loss_is_known_from_the_tag_and_else_assumed_from_the_syntax(
    tmp_path: Path, syntax: str, declared: str, lossy: bool
) -> None:
    path = _by_pydicom(tmp_path, JPEG2000Lossless)
    dataset = dcmread(path)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.LossyImageCompression = declared
    dataset.save_as(path)
    row = _row(tmp_path)
    assert (row.lossy, row.read_codes) == (lossy, "")


def test_loss_that_a_router_undid_is_still_loss(tmp_path: Path) -> None:
    make_series(tmp_path, slices=2, per_slice={1: {"LossyImageCompression": "01"}})
    assert _row(tmp_path).lossy


def test_a_syntax_that_nobody_knows_is_refused_with_the_code(tmp_path: Path) -> None:
    path = _native(tmp_path, ExplicitVRLittleEndian)
    dataset = dcmread(path)
    dataset.file_meta.TransferSyntaxUID = "1.2.3.4.5"
    dataset.save_as(path, implicit_vr=False, little_endian=True)
    with pytest.raises(RefusedError) as caught:
        read_volume(scan_folder(tmp_path).series[0])
    assert caught.value.codes == (Code.PIXELS_UNREADABLE,)
    assert _row(tmp_path).read_codes == "PIXELS_UNREADABLE"
