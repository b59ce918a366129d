"""The whole step over one broken intake: verdicts, counts, pages, and nothing that names a person."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from components.ingest_dicom.pseudonym import Pseudonymiser
from components.ingest_dicom.series_table import OtherRow
from components.validate_dicom.accounting import CountsDoNotAddUpError
from components.validate_dicom.dxa_table import DxaTableError
from components.validate_dicom.params import ValidateParams
from components.validate_dicom.result_folder import ValidationSummary
from components.validate_dicom.run import NothingAcceptedError, run
from components.validate_dicom.tables import (
    ValidationTableError,
    read_accepted,
    read_decisions,
    read_quarantine,
)
from components.validate_dicom.validation import BatchRefusedError
from tests.components.validate_dicom.sound_intake import KEY

MakeIntake = Callable[..., Path]
MakeDxa = Callable[[list[dict[str, str]]], Path]
PATIENT = Pseudonymiser(KEY).patient

SERIES: list[dict[str, Any]] = [
    {},  # s1 ID1 sound
    {"vendor": "Siemens"},  # s2 ID2 sound, exam far in time
    {"vendor": "ACME"},  # s3 ID3
    {"image_class": "virtual_non_contrast", "image_class_basis": "words"},  # s4 ID4
    {},  # s5 ID5 sound, exam broken
    {},  # s6 ID6 sound, no exam
    {},  # s7 ID7 sound, sexes differ
    {},  # s8 ID8 sound, one level evaluable
    {"patient": "ID1", "kernel_class": "sharp"},  # s9 second series of ID1
    {"patient": "ID1", "slice_thickness_mm": 10.0},  # s10 third series of ID1, excluded
]
EXAMS: list[dict[str, str]] = [
    {"patient_id": "ID1"},  # row 2
    {"patient_id": "ID2", "exam_date": "2023-01-01"},
    {"patient_id": "ID3"},
    {"patient_id": "ID4"},
    {"patient_id": "ID5", "bmd_l1_g_cm2": "MUELLER", "tbs_l2": "SCHMIDT"},  # row 6
    {"patient_id": "ID7", "sex": "M"},
    {"patient_id": "ID8", "invalid_l1": "1", "invalid_l2": "1", "invalid_l3": "1"},
    {"patient_id": "NOCT"},  # row 9
    {"patient_id": "ID1", "exam_date": "2024-04-01"},  # row 10
    {"patient_id": "ID1", "exam_date": "2024-03-01", "bmd_l1_l4_g_cm2": "9.65"},  # row 11
]
OTHERS = [
    OtherRow("f1", "NOT_DICOM", "file", "found no DICOM preamble", "", ""),
    OtherRow("f2", "NOT_CT", "X-Ray Radiation Dose SR Storage", "found", PATIENT("ID1"), "dose"),
]


def validate(intake: Path, dxa: Path, out: Path, params: ValidateParams) -> ValidationSummary:
    return run(
        intake=intake, dxa_csv=dxa, out=out, key=KEY, params=params, data_kind="simulated", data_version="v1"
    )


@pytest.fixture
def result(
    make_intake: MakeIntake, make_dxa: MakeDxa, params: ValidateParams, tmp_path: Path
) -> tuple[Path, ValidationSummary]:
    out = tmp_path / "out"
    return out, validate(make_intake(SERIES, OTHERS), make_dxa(EXAMS), out, params)


def test_verdicts_counts_and_pages(result: tuple[Path, ValidationSummary]) -> None:
    # one run, looked at from all sides: the step takes seconds
    out, summary = result
    _verdicts_are_right(out)
    _counts_add_up(out, summary)
    _every_series_is_decided_about(out, summary)
    _pages_fetch_nothing_and_say_what_they_show(out)
    _nothing_names_a_person(out)


def _verdicts_are_right(out: Path) -> None:
    accepted, quarantine = read_accepted(out), read_quarantine(out)
    assert accepted["series"].tolist() == ["s1"]
    assert accepted["patient"].tolist() == [PATIENT("ID1")]
    found = {(row.table, row.key, row.code) for row in quarantine.itertuples()}
    assert found == {
        ("series", "s3", "VENDOR_UNKNOWN"),
        ("series", "s3", "VENDOR_UNVALIDATED"),
        ("series", "s4", "VIRTUAL_NON_CONTRAST"),
        ("series", "s9", "SERIES_NOT_CHOSEN"),
        ("series", "s10", "SERIES_EXCLUDED"),
        ("dxa", "row 6", "DXA_VALUE_NOT_NUMERIC"),
        ("dxa", "row 10", "EXAM_NOT_CHOSEN"),
        ("dxa", "row 11", "DXA_OUT_OF_RANGE"),
        ("pairing", PATIENT("ID2"), "DXA_DATE_FAR"),
        ("pairing", PATIENT("ID3"), "CT_MISSING"),
        ("pairing", PATIENT("ID4"), "CT_MISSING"),
        ("pairing", PATIENT("NOCT"), "CT_MISSING"),
        ("pairing", PATIENT("ID5"), "DXA_MISSING"),
        ("pairing", PATIENT("ID6"), "DXA_MISSING"),
        ("pairing", PATIENT("ID7"), "SEX_MISMATCH"),
        ("pairing", PATIENT("ID8"), "LEVELS_TOO_FEW"),
    }
    not_numbers = quarantine[quarantine["code"] == "DXA_VALUE_NOT_NUMERIC"]
    assert not_numbers["found"].tolist() == [
        "row 6, column bmd_l1_g_cm2: not a number; accepted: a number with a decimal point",
        "row 6, column tbs_l2: not a number; accepted: a number with a decimal point",
    ]
    by_words = quarantine[quarantine["basis"] == "words"]
    assert by_words["key"].tolist() == ["s4"]
    absent = quarantine.set_index("patient")["found"]
    assert absent[PATIENT("ID6")] == "the patient is not in the DXA table"
    assert "in quarantine" in absent[PATIENT("ID5")].iloc[-1]


def _every_series_is_decided_about(out: Path, summary: ValidationSummary) -> None:
    decisions, accepted = read_decisions(out), read_accepted(out)
    assert set(decisions["series"]) == {*(f"s{number}" for number in range(1, 11)), "dose"}
    assert (decisions.groupby("series")["decision"].nunique() == 1).all()
    assert set(decisions[decisions["decision"] == "taken"]["series"]) == set(accepted["series"])
    left = decisions[decisions["decision"] == "left"]
    assert set(left[left["code"] != ""]["series"]) == set(left["series"])  # every one with its code
    deciding = {(row.series, row.stage, row.rule, row.code) for row in left[left["code"] != ""].itertuples()}
    assert {
        ("s9", "prefer", "kernel", "SERIES_NOT_CHOSEN"),
        ("s10", "exclude", "thick slices", "SERIES_EXCLUDED"),
    } <= deciding
    assert {(row.series, row.stage, row.code) for row in left[left["code"] != ""].itertuples()} >= {
        ("s3", "suite", "VENDOR_UNKNOWN"), ("s2", "pairing", "DXA_DATE_FAR"), ("dose", "object", "NOT_CT"),
    }  # fmt: skip
    way = decisions[(decisions["series"] == "s9") & decisions["stage"].isin(["exclude", "prefer"])]
    assert way["outcome"].tolist() == ["kept"] * 4 + ["left"] + ["not asked"] * 5
    lines = {line["series"]: line for line in summary.decisions}
    assert lines["s1"]["why"] == "kernel: soft"
    assert lines["s9"]["why"] == "kernel: bone, against soft"
    assert len(lines) == 11
    page = (out / "summary.html").read_text(encoding="utf-8")
    assert "Which series was taken" in page
    assert "thick slices: 10 mm; accepted: at most 6 mm" in page
    assert "VENDOR_UNKNOWN" not in page.split("Which series was taken")[1].split("</table>")[0]


def _counts_add_up(out: Path, summary: ValidationSummary) -> None:
    counts = summary.counts
    assert counts["files_read"] == 10 * 80 + 2
    assert (counts["files_in_accepted_series"], counts["files_in_quarantined_series"]) == (80, 720)
    assert counts["files_other"] == 2
    assert (counts["series_read"], counts["series_accepted"], counts["series_quarantined"]) == (10, 1, 9)
    assert (counts["exams_read"], counts["exams_accepted"], counts["exams_quarantined"]) == (10, 1, 9)
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["schema_version"] == 1
    assert manifest["counts"] == counts
    assert manifest["data_version"] == "v1"
    assert summary.by_vendor == {"GE": 1}


def _pages_fetch_nothing_and_say_what_they_show(out: Path) -> None:
    pages = sorted(out.rglob("*.html"))
    assert len(pages) == 10  # summary, index, and for each table what is expected and what was found
    fetching = re.compile(
        r"<(?:script|link|img|iframe|source|embed|object)\b|url\(|@import|\bhttps?://", re.IGNORECASE
    )
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert fetching.search(text) is None, page
        assert "simulated phantoms" in text, page
        for target in re.findall(r'href="([^"#]+)"', text):
            assert (page.parent / target.replace("%20", " ")).is_file(), (page, target)
    summary = (out / "summary.html").read_text(encoding="utf-8")
    for words in ("1 of 10 CT series accepted", "s4", "VIRTUAL_NON_CONTRAST", "calcium is removed", "row 11"):
        assert words in summary
    assert "s4" in next((out / "data_docs" / "validations" / "series").rglob("*.html")).read_text(
        encoding="utf-8"
    )


def _nothing_names_a_person(out: Path) -> None:
    names = re.compile(rb"\bID\d\b|NOCT|MUELLER|SCHMIDT")
    for path in out.rglob("*"):
        if path.is_file():
            assert names.search(path.read_bytes()) is None, path
    for table in (read_accepted(out), read_quarantine(out)):
        assert names.search(table.to_csv().encode()) is None


@pytest.mark.parametrize(("air_hu", "without"), [(-1000.0, 0), (float("nan"), 1)])
def test_a_field_of_view_without_air_is_accepted_and_the_page_says_so(
    make_intake: MakeIntake,
    make_dxa: MakeDxa,
    params: ValidateParams,
    tmp_path: Path,
    air_hu: float,
    without: int,
) -> None:
    summary = validate(make_intake([{"hu_air_peak": air_hu}]), make_dxa([{}]), tmp_path / "out", params)
    assert summary.series_without_air == without
    page = (tmp_path / "out" / "summary.html").read_text(encoding="utf-8")
    assert ("HU of air in 1 of the accepted series" in page) == bool(without)
    assert "focal bone lesion" in page
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["series_without_air"] == without


def test_when_nothing_is_accepted_the_pages_say_why(
    make_intake: MakeIntake, make_dxa: MakeDxa, params: ValidateParams, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(NothingAcceptedError, match="none of 1 series was accepted") as caught:
        validate(make_intake([{"kvp": 200.0}]), make_dxa([{}]), out, params)
    assert caught.value.exit_code == 3
    assert "most often KVP_OUT_OF_RANGE (1): " in str(caught.value)
    assert "KVP_OUT_OF_RANGE" in (out / "summary.html").read_text(encoding="utf-8")
    assert read_accepted(out).empty


def test_a_table_that_cannot_be_judged_leaves_the_old_result_in_place(
    make_intake: MakeIntake, make_dxa: MakeDxa, params: ValidateParams, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "summary.html").write_text("good", encoding="utf-8")
    intake = make_intake([])
    with pytest.raises(DxaTableError):
        validate(intake, tmp_path / "none.csv", out, params)
    with pytest.raises(BatchRefusedError, match="series table: found 0 rows"):
        validate(intake, make_dxa([{}]), out, params)
    assert (out / "summary.html").read_text(encoding="utf-8") == "good"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dxa.csv", "intake", "out"]


def test_a_file_lost_on_the_way_stops_the_run(
    make_intake: MakeIntake, make_dxa: MakeDxa, params: ValidateParams, tmp_path: Path
) -> None:
    intake = make_intake([{}])
    (intake / "manifest.json").write_text(json.dumps({"file_count": 81}), encoding="utf-8")
    with pytest.raises(CountsDoNotAddUpError, match="is not 81 files_read"):
        validate(intake, make_dxa([{}]), tmp_path / "out", params)
    assert not (tmp_path / "out").exists()


def test_another_schema_version_is_refused(tmp_path: Path) -> None:
    pd.DataFrame({"series": ["a"]}).to_parquet(tmp_path / "accepted.parquet")
    with pytest.raises(ValidationTableError, match="schema version none; accepted: 1"):
        read_accepted(tmp_path)
    with pytest.raises(ValidationTableError, match="cannot be read"):
        read_quarantine(tmp_path)


def test_a_series_without_levels_is_refused_unless_an_engine_follows(
    make_intake: MakeIntake, make_dxa: MakeDxa, params: ValidateParams, tmp_path: Path
) -> None:
    intake, dxa = make_intake([{"has_levels": False}], OTHERS), make_dxa([{"patient_id": "ID1"}])
    with pytest.raises(NothingAcceptedError):
        validate(intake, dxa, tmp_path / "off", params)
    assert read_quarantine(tmp_path / "off")["code"].tolist().count("LEVELS_MISSING") == 1
    run(
        intake=intake, dxa_csv=dxa, out=tmp_path / "on", key=KEY, params=params, data_kind="simulated",
        data_version="v1", levels_follow=True,
    )  # fmt: skip
    assert read_accepted(tmp_path / "on")["series"].tolist() == ["s1"]
