"""Text in pixels is refused; text inside compressed pixel data goes; the image itself stays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import JPEG2000Lossless

from components.ingest_dicom.deidentify.codestream import without_comments
from components.ingest_dicom.deidentify.file import deidentify_file
from components.ingest_dicom.pseudonym import Pseudonymiser
from components.ingest_dicom.scan import scan_folder
from models.refusal import Code, RefusedError
from tests.dicom_factory import make_series
from tests.planted_identifiers import (
    NAME,
)

KEY = Pseudonymiser(b"the secret of these tests, 32 by")


def secondary_capture(dataset: Dataset) -> None:
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"


def burned_in(dataset: Dataset) -> None:
    dataset.BurnedInAnnotation = "YES"


def screen_save(dataset: Dataset) -> None:
    dataset.ImageType = ["DERIVED", "SECONDARY", "SCREEN SAVE"]


def overlay_in_pixels(dataset: Dataset) -> None:
    dataset.add_new((0x6000, 0x0102), "US", 12)


def report(dataset: Dataset) -> None:
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.67"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (secondary_capture, Code.SECONDARY_CAPTURE), (burned_in, Code.BURNED_IN_TEXT),
        (screen_save, Code.SECONDARY_CAPTURE), (overlay_in_pixels, Code.BURNED_IN_TEXT), (report, Code.NOT_CT),
    ],
)  # fmt: skip
def test_what_may_show_a_name_in_its_pixels_is_refused(change, code: Code, tmp_path: Path) -> None:
    (source,) = make_series(tmp_path, slices=1)
    dataset = pydicom.dcmread(source)
    change(dataset)
    dataset.save_as(source)
    with pytest.raises(RefusedError) as refused:
        deidentify_file(source, tmp_path / "copy.dcm", KEY)
    assert refused.value.codes == (code,)
    assert not (tmp_path / "copy.dcm").exists()


def test_ingest_leaves_burned_in_text_out_of_the_series(tmp_path: Path) -> None:
    make_series(
        tmp_path, slices=3, per_slice={1: {"BurnedInAnnotation": "YES"}, 2: {"BurnedInAnnotation": "NO"}}
    )
    scan = scan_folder(tmp_path)
    assert [other.code for other in scan.others] == [Code.BURNED_IN_TEXT]
    assert len(scan.series[0].files) == 2


def test_comments_inside_a_codestream_are_blanked() -> None:
    comment = b"\xff\x64" + (4 + len(NAME)).to_bytes(2, "big") + b"\x00\x01" + NAME.encode()
    stream = b"\xff\x4f\xff\x51\x00\x04ab" + comment + b"\xff\x90\x00\x0aimage" + NAME.encode()
    cleaned = without_comments(stream)
    assert len(cleaned) == len(stream)
    assert NAME.encode() not in cleaned[: stream.index(b"\xff\x90")]
    assert cleaned.endswith(NAME.encode()), "the image's own bytes are left alone"
    jpeg = b"\xff\xd8\xff\xfe" + (2 + len(NAME)).to_bytes(2, "big") + NAME.encode() + b"\xff\xda\x00\x02data"
    assert NAME.encode() not in without_comments(jpeg)
    assert without_comments(b"no codestream") == b"no codestream"


def test_a_comment_in_compressed_pixels_of_a_file_goes(tmp_path: Path) -> None:
    (source,) = make_series(tmp_path, slices=1, rows=128, columns=128)
    dataset = pydicom.dcmread(source)
    dataset.compress(JPEG2000Lossless, encoding_plugin="pylibjpeg")
    image = dataset.pixel_array
    (fragment,) = generate_frames(dataset.PixelData, number_of_frames=1)
    size = 2 + int.from_bytes(fragment[4:6], "big")
    comment = b"\xff\x64" + (4 + len(NAME)).to_bytes(2, "big") + b"\x00\x01" + NAME.encode()
    dataset.PixelData = encapsulate([fragment[: 2 + size] + comment + fragment[2 + size :]])
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(source)
    assert NAME.encode() in source.read_bytes()
    deidentify_file(source, tmp_path / "copy.dcm", KEY)
    assert NAME.encode() not in (tmp_path / "copy.dcm").read_bytes()
    np.testing.assert_array_equal(pydicom.dcmread(tmp_path / "copy.dcm").pixel_array, image)
