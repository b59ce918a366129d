"""A de-identified SEG or structure set of any producer still names and places the levels of its series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from components.ingest_dicom.deidentify.file import deidentify_file
from components.ingest_dicom.pseudonym import Pseudonymiser
from components.prepare_vertebrae.level_file import read_spine
from components.prepare_vertebrae.params import PrepareParams
from components.prepare_vertebrae.wanted_series import WantedSeries
from models.levels import LEVELS
from tests.components.prepare_vertebrae.level_objects import box_contours, write_rtstruct, write_seg
from tests.components.prepare_vertebrae.test_level_objects import FRAME, SCT, SRT, assert_at
from tests.planted_identifiers import NAME, PATIENT_ID, found_in, plant_person, plant_private

KEY = Pseudonymiser(b"the secret of these tests, 32 by")
SPELLINGS = ("{}", "VB_{}", "vertebrae_{}", "Vertebra{}", "{} body", "LWK {n}", "LWK{n}", "Lumbar vertebra {n}",
             "{word} lumbar vertebra", "vertebra {} " + NAME, NAME + "_{}")  # fmt: skip
WORDS = {"L1": "first", "L2": "second", "L3": "third", "L4": "fourth"}


def spelled(style: str, name: str) -> str:
    return style.format(name, n=name[1], word=WORDS[name])


def copied(path: Path, tmp_path: Path) -> Path:
    """De-identified, with the patient planted in what is not about levels."""
    dataset = pydicom.dcmread(path)
    plant_person(dataset)
    dataset.PatientID, dataset.OperatorsName = PATIENT_ID, NAME
    plant_private(dataset)
    dataset.save_as(path)
    (tmp_path / "out").mkdir()
    deidentify_file(path, tmp_path / "out" / "copy.dcm", KEY)
    assert found_in(tmp_path / "out") == []
    return tmp_path / "out" / "copy.dcm"


@pytest.mark.parametrize("style", SPELLINGS)
def test_a_structure_set_by_its_names(
    tmp_path: Path, params: PrepareParams, centres: dict[str, np.ndarray], style: str
) -> None:
    rois = {spelled(style, name): box_contours(centre) for name, centre in centres.items()}
    rois |= {"PTV_L2": box_contours(np.zeros(3)), "Heart": box_contours(np.zeros(3))}
    path = copied(write_rtstruct(tmp_path / "rt.dcm", rois, series_uid=FRAME.series_instance_uid), tmp_path)
    wanted = WantedSeries(KEY.new_uid(FRAME.series_instance_uid), frozenset({KEY.new_uid("1.2.3.4")}))
    assert_at(read_spine(path, params.levels, wanted=wanted), centres, 0.8)


def test_a_structure_set_by_its_codes(
    tmp_path: Path, params: PrepareParams, centres: dict[str, np.ndarray]
) -> None:
    rois = {f"{NAME}#{name}": box_contours(centre, axis=0) for name, centre in centres.items()}
    codes = {f"{NAME}#{name}": SCT[name] for name in centres}
    path = copied(write_rtstruct(tmp_path / "rt.dcm", rois, codes=codes), tmp_path)
    wanted = WantedSeries("", frozenset({KEY.new_uid("1.2.3.4")}))
    assert_at(read_spine(path, params.levels, wanted=wanted), centres, 0.8)


@pytest.mark.parametrize(
    "made",
    [
        {"described": [("bone", SRT[name]) for name in LEVELS], "scheme": "SRT"},
        {"described": [("bone", SCT[name]) for name in LEVELS], "region": True},
        {"described": [(f"{name}_VB", None) for name in LEVELS], "kind": "LABELMAP"},
        *({"described": [(spelled(style, name), None) for name in LEVELS]} for style in SPELLINGS),
    ],
)
def test_a_segmentation(
    tmp_path: Path, params: PrepareParams, bodies: tuple, centres: dict[str, np.ndarray], made: dict
) -> None:
    path = write_seg(*bodies, tmp_path / "seg.dcm", **made)
    source = pydicom.dcmread(path).ReferencedSeriesSequence[0].SeriesInstanceUID
    path = copied(path, tmp_path)
    assert pydicom.dcmread(path).ReferencedSeriesSequence[0].SeriesInstanceUID == KEY.new_uid(source)
    assert_at(read_spine(path, params.levels), centres)
