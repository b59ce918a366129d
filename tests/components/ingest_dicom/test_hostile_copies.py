"""A damaged file among those that are copied: it is refused with a code, and the copy goes on."""

from __future__ import annotations

import struct
from pathlib import Path

from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from components.ingest_dicom.deidentify.run import deidentify_folder
from components.ingest_dicom.pseudonym import SIMULATED_KEY, Pseudonymiser
from components.ingest_dicom.scan import scan_folder
from tests.dicom_factory import make_series

ITEM_WITHOUT_LENGTH = struct.pack("<HH", 0xFFFE, 0xE000)


def test_a_sequence_that_breaks_off_inside_does_not_end_the_copy(tmp_path: Path) -> None:
    """It is parsed when it is looked into, and pydicom's error there is an OSError as that of a full disk is."""
    paths = make_series(tmp_path / "in", slices=4)
    dataset = dcmread(paths[1])
    tag = Tag("ReferencedSeriesSequence")
    dataset[tag] = RawDataElement(tag, "SQ", 4, ITEM_WITHOUT_LENGTH, 0, False, True)
    dataset.save_as(paths[1])
    done = deidentify_folder(tmp_path / "in", tmp_path / "out", Pseudonymiser(SIMULATED_KEY))
    assert (done.files_read, done.dicom_copied, done.refused_by_code) == (4, 3, {"NOT_DICOM": 1})
    assert [len(series.files) for series in scan_folder(tmp_path / "out" / "series").series] == [3]
    assert list(tmp_path.rglob(".*")) == []
