"""Levels that come with a study as DICOM objects, or from the site's engine (a double of it)."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest

from components.ingest_dicom.pseudonym import Pseudonymiser
from components.segment_levels.params import SegmentParams
from components.segment_levels.weights import EngineWeightsError
from models.refusal import Code
from pipelines.gateway.preparation import PreparedStudy, prepare_study
from pipelines.gateway.settings import GatewayParams
from pipelines.gateway.stated import Stated
from tests.components.prepare_vertebrae.level_objects import box_contours, write_rtstruct
from tests.components.segment_levels.engine_double import make_engine, make_weights
from tests.pipelines.gateway.synthetic_study import CENTRES_MM, Site

CENTRES = {name: np.array([0.0, 10.0, z]) for name, z in CENTRES_MM.items()}


@pytest.fixture
def study(site: Site, tmp_path: Path) -> Path:
    shutil.copytree(site.folder, tmp_path / "study")
    return tmp_path / "study"


def frame_of(study: Path) -> str:
    return str(pydicom.dcmread(study / "000", stop_before_pixels=True).FrameOfReferenceUID)


def codes(study: PreparedStudy) -> list[Code]:
    return [refusal.code for refusal in study.refusals]


def test_a_structure_set_in_the_study_gives_the_same_crops_as_a_table(
    study: Path, prepared: PreparedStudy, prepare: Callable[..., PreparedStudy]
) -> None:
    rois = {f"VB_{name}": box_contours(centre) for name, centre in CENTRES.items()}
    write_rtstruct(study / "rt.dcm", rois, frame_uid=frame_of(study))
    got = prepare(study)
    assert got.refusals == ()
    for mine, its in zip(got.crops, prepared.crops, strict=True):
        np.testing.assert_allclose(mine.level.centre_lps_mm, its.level.centre_lps_mm, atol=0.5)
        assert mine.trabecular_hu == pytest.approx(its.trabecular_hu, abs=2)


def test_levels_that_do_not_belong_or_compete_are_refused(
    site: Site, study: Path, prepare: Callable[..., PreparedStudy]
) -> None:
    rois = {name: [("POINT", centre[None])] for name, centre in CENTRES.items()}
    write_rtstruct(study / "a.dcm", rois, frame_uid="9.9", series_uid=site.uid)
    assert codes(prepare(study)) == [Code.LEVELS_OTHER_FRAME]
    write_rtstruct(study / "b.dcm", rois, frame_uid=frame_of(study), series_uid=site.uid)
    assert codes(prepare(study)) == [Code.LEVELS_AMBIGUOUS]
    assert prepare(study, study / "b.dcm").refusals == ()


def test_an_unusual_count_is_answered_as_outside_validated_input(
    site: Site, tmp_path: Path, prepare: Callable[..., PreparedStudy]
) -> None:
    table = tmp_path / "levels.csv"
    table.write_text(site.levels.read_text() + "L5,0,10,-90\nL6,0,10,-126\n")
    study = prepare(site.folder, table)
    assert study.refusals == ()
    assert [item.code for item in study.study.outside] == [Code.LEVELS_COUNT_UNUSUAL]


def with_engine(params: GatewayParams, folder: Path, site: Site) -> GatewayParams:
    image = nibabel.load(site.nifti)
    values = np.zeros(image.shape, np.uint8)
    z = (np.arange(values.shape[0]) - (values.shape[0] - 1) / 2) * 2.5
    for number, centre_mm in zip((31, 30, 29, 28), CENTRES_MM.values(), strict=True):
        values[np.abs(z - centre_mm) <= 13, 95:126, 79:121] = number  # y 10 +- 15, x +- 20 in 0.95 mm pixels
    nibabel.save(nibabel.Nifti1Image(values, image.affine), folder / "found.nii.gz")
    engine = SegmentParams(
        engine="totalsegmentator",
        environment=make_engine(folder / "environment", folder / "found.nii.gz"),
        weights=make_weights(folder / "weights"),
        device="cpu",
    )
    return replace(params, segment=engine)


def test_an_engine_finds_the_levels_of_a_study_without_any(
    site: Site, tmp_path: Path, params: GatewayParams, prepared: PreparedStudy
) -> None:
    key = Pseudonymiser(b"a key of sixteen bytes or more")
    engine = with_engine(params, tmp_path, site)
    study = prepare_study(site.folder, Stated(), engine, key)
    assert study.refusals == ()
    for mine, its in zip(study.crops, prepared.crops, strict=True):
        np.testing.assert_allclose(mine.level.centre_lps_mm, its.level.centre_lps_mm, atol=1.5)
    refused = prepare_study(
        site.nifti, Stated(), engine, key
    )  # no tube voltage: the engine is not even asked
    assert codes(refused) == [Code.KVP_MISSING, Code.LEVELS_MISSING]
    shutil.rmtree(tmp_path / "weights")
    with pytest.raises(EngineWeightsError, match="never downloaded"):
        prepare_study(site.folder, Stated(), engine, key)


def test_without_levels_and_engine_the_code_is_levels_missing(
    site: Site, prepare: Callable[..., PreparedStudy]
) -> None:
    assert codes(prepare(site.folder)) == [Code.LEVELS_MISSING]
