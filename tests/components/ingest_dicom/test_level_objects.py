"""Which segmentations and structure sets are taken for the levels of a series, from their headers alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from components.ingest_dicom.locations import read_locations
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import SIMULATED_KEY, Pseudonymiser
from components.ingest_dicom.run import run
from components.ingest_dicom.scan import scan_folder
from tests.components.prepare_vertebrae.level_objects import write_rtstruct
from tests.dicom_factory import UID_ROOT, make_segmentation, make_series, series_uid

HASH = Pseudonymiser(SIMULATED_KEY)
LEVELS = {name: [("POINT", np.zeros((1, 3)))] for name in ("vertebrae_L1", "vertebrae_L2")}


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """One series, and a SEG on it that holds a liver."""
    make_series(tmp_path / "study" / "ct")
    path = make_segmentation(tmp_path / "study" / "liver.dcm", series=1)
    seg = pydicom.dcmread(path)
    seg.SegmentSequence = [Dataset()]
    seg.SegmentSequence[0].SegmentLabel = "Liver"
    seg.save_as(path)
    return tmp_path / "study"


def place(study: Path) -> tuple[str | None, int]:
    run(data=study, out=study.parent / "out", key=SIMULATED_KEY, params=IngestParams(workers=1))
    found = read_locations(study.parent / "out")[HASH.uid(series_uid(1))]
    return found.levels, len(found.segmentations)


def test_a_segmented_liver_is_no_level_file(study: Path) -> None:
    assert place(study) == (None, 0)


def test_a_structure_set_is_found_by_the_series_it_was_drawn_on(study: Path) -> None:
    write_rtstruct(study / "rt.dcm", LEVELS, frame_uid="9.9", series_uid=series_uid(1))
    (found,) = [other for other in scan_folder(study).others if other.kind == "structure set"]
    assert (found.referenced_series, found.referenced_frames, found.levels_named) == (
        (series_uid(1),),
        ("9.9",),
        2,
    )
    assert place(study) == ("rt.dcm", 1)


def test_a_structure_set_that_names_no_series_is_found_by_its_frame_of_reference(study: Path) -> None:
    write_rtstruct(study / "rt.dcm", LEVELS, frame_uid=f"{UID_ROOT}.4.1")
    assert place(study) == ("rt.dcm", 1)
    write_rtstruct(study / "rt.dcm", LEVELS, frame_uid="9.9")
    assert place(study) == (None, 0)
    write_rtstruct(study / "rt.dcm", LEVELS, frame_uid=f"{UID_ROOT}.4.1", series_uid=series_uid(2))
    assert place(study) == (None, 0)


def test_of_two_objects_that_name_levels_none_is_chosen(study: Path) -> None:
    for name in ("a.dcm", "b.dcm"):
        write_rtstruct(study / name, LEVELS, series_uid=series_uid(1))
    assert place(study) == (None, 2)
