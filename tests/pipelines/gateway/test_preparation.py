"""From files to crops: the right series, the right refusals, the same crops from DICOM and NIfTI."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import SecondaryCaptureImageStorage, XRayRadiationDoseSRStorage

from models.refusal import Code, RefusedError
from pipelines.gateway.answer import refused_as_dict
from pipelines.gateway.preparation import PreparedStudy
from pipelines.gateway.series_decisions import StudyRefusedError
from tests.pipelines.gateway.synthetic_study import Site, torso, write_ct

Prepare = Callable[..., PreparedStudy]


def codes(study: PreparedStudy) -> set[Code]:
    return {refusal.code for refusal in study.refusals}


def test_a_sound_dicom_series_is_accepted_with_four_levels(prepared: PreparedStudy) -> None:
    assert prepared.refusals == ()
    assert [crop.level.name for crop in prepared.crops] == ["L1", "L2", "L3", "L4"]
    assert prepared.left_out == ()
    assert [crop.trabecular_hu for crop in prepared.crops] == pytest.approx([150] * 4, abs=3)
    assert prepared.statistics["soft_tissue_peak_hu"] == pytest.approx(50, abs=2)


def test_the_same_scan_as_nifti_gives_the_same_crops(
    site: Site, prepared: PreparedStudy, prepare: Prepare
) -> None:
    other = prepare(site.nifti, site.levels, kvp=120.0)
    assert other.refusals == ()
    for mine, its in zip(prepared.crops, other.crops, strict=True):
        assert np.abs(mine.hu.astype(int) - its.hu).max() <= 1
    unchecked = set(other.study.not_checked)
    assert {Code.CONTRAST_BY_TAG, Code.CONTRAST_BY_WORDS, Code.VENDOR_UNVALIDATED} <= unchecked
    assert not {Code.ORIENTATION_MISSING, Code.HU_IMPLAUSIBLE} & unchecked


def test_a_nifti_without_stated_tube_voltage_is_refused(site: Site, prepare: Prepare) -> None:
    assert codes(prepare(site.nifti, site.levels)) == {Code.KVP_MISSING}


def test_a_dicom_series_must_declare_its_tube_voltage(site: Site, prepare: Prepare, tmp_path: Path) -> None:
    write_ct(tmp_path / "ct", torso(), KVP=None)
    assert codes(prepare(tmp_path / "ct", site.levels, kvp=120.0)) == {Code.KVP_MISSING}


def test_all_reasons_are_given_at_once(site: Site, prepare: Prepare, tmp_path: Path) -> None:
    write_ct(tmp_path / "ct", torso(), ContrastBolusAgent="APPLIED", PatientAge="025Y")
    study = prepare(tmp_path / "ct", sex="M")
    assert codes(study) == {
        Code.CONTRAST_BY_TAG, Code.AGE_UNDER_30, Code.LEVELS_MISSING, Code.STATED_CONTRADICTS_HEADER,
    }  # fmt: skip
    with pytest.raises(RefusedError, match="CONTRAST_BY_TAG"):
        study.require_acceptable()


def test_an_unvalidated_vendor_is_no_refusal(site: Site, prepare: Prepare, tmp_path: Path, params) -> None:
    known = [
        vendor for vendor in params.validate.vendors_known if vendor not in params.validate.vendors_validated
    ]
    assert known, "params.yaml knows no vendor that is not validated"
    write_ct(tmp_path / "ct", torso(), Manufacturer=known[0])
    study = prepare(tmp_path / "ct", site.levels)
    assert study.refusals == ()
    # nor is it known what such a vendor calls its kernels
    assert [refusal.code for refusal in study.study.outside] == [
        Code.VENDOR_UNVALIDATED, Code.KERNEL_UNVALIDATED,
    ]  # fmt: skip


def test_a_level_whose_endplates_are_not_seen_is_answered_outside_validated_input(
    site: Site, prepare: Prepare, tmp_path: Path
) -> None:
    hu = torso()
    column = np.broadcast_to((hu > 110).any(axis=0), hu.shape)  # bone from end to end, no discs
    hu[column] = np.random.default_rng(1).normal(150, 8, int(column.sum())).astype(np.int16)
    write_ct(tmp_path / "ct", hu)
    study = prepare(tmp_path / "ct", site.levels)
    assert study.refusals == ()
    assert len(study.crops) == 4
    (outside,) = study.study.outside
    assert outside.code is Code.HEIGHTS_NOT_READ
    assert outside.found == "no fracture was looked for in L1, L2, L3, L4"


def test_the_acceptable_series_of_a_mixed_study_is_chosen_and_said_why(
    site: Site, prepare: Prepare, tmp_path: Path
) -> None:
    shutil.copytree(site.folder, tmp_path / "study" / "native")
    write_ct(tmp_path / "study" / "contrast", torso(), ContrastBolusAgent="APPLIED")
    write_ct(tmp_path / "study" / "bone", torso(), ConvolutionKernel="B70s", PatientID="TEST-1")
    (tmp_path / "study" / "readme.txt").write_text("not DICOM")
    study = prepare(tmp_path / "study", site.levels)
    assert study.refusals == ()
    assert study.study.series_instance_uid == site.uid
    assert "1 of 3 CT series" in study.study.choice
    assert "CONTRAST_BY_TAG" in study.study.choice


def test_the_choice_depends_on_neither_names_nor_places_and_every_series_is_decided_about(
    site: Site, prepare: Prepare, tmp_path: Path
) -> None:
    thin, thick = torso(), torso()[::2]
    folders = {
        "a": (thin, {}),
        "b": (thin, {"SliceThickness": 2.0}),
        "c": (thin, {"ConvolutionKernel": "Bl57"}),
    }
    folders["d"] = (thick, {"ImagePositionPatient": None})
    uids = {name: write_ct(tmp_path / "one" / name, hu, **tags) for name, (hu, tags) in folders.items()}
    first = prepare(tmp_path / "one", site.levels).study
    for number, path in enumerate(sorted((tmp_path / "one").rglob("*"), reverse=True)):
        if path.is_file():  # one flat folder, names in the opposite order
            shutil.copy(path, tmp_path / f"{number:05d}.bin")
    shutil.rmtree(tmp_path / "one")
    again = prepare(tmp_path, site.levels).study
    assert first.series_instance_uid == again.series_instance_uid == uids["b"]
    assert first.decisions == again.decisions
    assert [line["decision"] for line in first.decisions] == ["taken", "left", "left", "left"]
    why = {line["codes"]: line["why"] for line in first.decisions[1:]}
    assert why[""] == "rule 'thin slices': slice_thickness_mm 3 mm, against 2 mm"
    assert why["SERIES_EXCLUDED"].startswith("kernel_use lung; accepted: not lung")
    assert any("ORIENTATION_MISSING" in codes for codes in why)


def test_a_series_that_a_rule_excludes_gets_no_answer_even_alone(
    site: Site, prepare: Prepare, tmp_path: Path
) -> None:
    write_ct(tmp_path / "ct", torso(), SliceThickness=10.0)
    assert codes(prepare(tmp_path / "ct", site.levels)) == {Code.SERIES_EXCLUDED}


def test_two_patients_in_one_folder_are_refused(site: Site, prepare: Prepare, tmp_path: Path) -> None:
    shutil.copytree(site.folder, tmp_path / "a")
    write_ct(tmp_path / "b", torso(), PatientID="TEST-2")
    with pytest.raises(RefusedError) as refused:
        prepare(tmp_path, site.levels)
    assert refused.value.codes == (Code.MIXED_SERIES,)
    lines = refused_as_dict(refused.value)["series_decisions"]
    assert [(line["decision"], line["codes"]) for line in lines] == [("left", "MIXED_SERIES")] * 2


def test_a_refusal_says_of_every_series_in_the_study_why_it_was_left(
    site: Site, prepare: Prepare, tmp_path: Path
) -> None:
    write_ct(tmp_path / "contrast", torso(), ContrastBolusAgent="APPLIED")
    write_ct(tmp_path / "scout", torso()[:1], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    write_ct(tmp_path / "picture", torso()[:1], SOPClassUID=SecondaryCaptureImageStorage, Modality="OT")
    write_ct(tmp_path / "dose", torso()[:1], SOPClassUID=XRayRadiationDoseSRStorage, Modality="SR")
    study = prepare(tmp_path, site.levels)
    with pytest.raises(StudyRefusedError) as refused:
        study.require_acceptable()
    lines = refused_as_dict(refused.value)["series_decisions"]
    assert {line["decision"] for line in lines} == {"left"}
    assert len({line["series"] for line in lines}) == len(lines) == 4
    assert {(line["kind"], line["codes"]) for line in lines} == {
        ("CT series", "CONTRAST_BY_TAG"), ("CT series", "LOCALIZER"), ("secondary capture", "SECONDARY_CAPTURE"),
        ("X-Ray Radiation Dose SR Storage", "NOT_CT"),
    }  # fmt: skip
    assert all(line["why"] for line in lines)


def test_a_study_without_any_ct_still_says_what_it_holds(prepare: Prepare, tmp_path: Path) -> None:
    write_ct(tmp_path / "dose", torso()[:1], SOPClassUID=XRayRadiationDoseSRStorage, Modality="SR")
    with pytest.raises(StudyRefusedError) as refused:
        prepare(tmp_path, None)
    (line,) = refused.value.decisions
    assert (line["decision"], line["codes"]) == ("left", "NOT_CT")


def test_levels_near_the_edge_are_left_out_and_named(site: Site, prepare: Prepare, tmp_path: Path) -> None:
    levels = tmp_path / "levels.csv"
    levels.write_text("level,x_mm,y_mm,z_mm\nL1,0,10,80\nL2,0,10,45\nL3,0,10,9\nL4,0,10,-27\n")
    study = prepare(site.folder, levels)
    assert study.refusals == ()
    assert [(name, refusal.code) for name, refusal in study.left_out] == [("L1", Code.LEVELS_NOT_IN_VIEW)]


def test_fewer_than_two_evaluable_levels_are_refused(site: Site, prepare: Prepare, tmp_path: Path) -> None:
    levels = tmp_path / "levels.csv"
    levels.write_text("level,x_mm,y_mm,z_mm\nL3,0,10,90\nL4,0,10,55\n")
    assert codes(prepare(site.folder, levels)) == {Code.LEVELS_TOO_FEW}


@pytest.mark.parametrize("content", [None, b"this is no image at all " * 20])
def test_nothing_to_judge_is_refused_at_once(prepare: Prepare, tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "file").write_bytes(content)
    with pytest.raises(RefusedError) as refused:
        prepare(tmp_path)
    assert refused.value.codes == ((Code.EMPTY_INPUT,) if content is None else (Code.NOT_DICOM,))
