"""Reading dxa.csv: strict columns, one state per value, no identifier carried on."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from components.ingest_dicom.pseudonym import Pseudonymiser
from components.validate_dicom.dxa_table import (
    EMPTY,
    NOT_A_NUMBER,
    NOT_EVALUABLE,
    DxaTableError,
    read_dxa_table,
)
from models.dxa_columns import DXA_COLUMNS
from tests.components.validate_dicom.sound_intake import KEY

MakeDxa = Callable[[list[dict[str, str]]], Path]
PSEUDONYMISER = Pseudonymiser(KEY)


def test_rows_are_numbered_as_in_the_file_and_patients_are_hashed(make_dxa: MakeDxa) -> None:
    exams = read_dxa_table(make_dxa([{"patient_id": "ID1"}, {"patient_id": "ID2"}]), PSEUDONYMISER)
    assert exams["row"].tolist() == [2, 3]
    assert exams["patient"].tolist() == [PSEUDONYMISER.patient("ID1"), PSEUDONYMISER.patient("ID2")]
    assert "ID1" not in exams.to_csv()


@pytest.mark.parametrize(
    ("device", "name", "family"),
    [
        ("Hologic Horizon A", "Hologic", "hologic"),
        ("GE Lunar iDXA", "GE Lunar", "lunar"),
        ("lunar prodigy", "GE Lunar", "lunar"),
        ("Norland XR-46", None, None),
    ],
)
def test_devices_are_brought_to_families(
    device: str, name: str | None, family: str | None, make_dxa: MakeDxa
) -> None:
    exam = read_dxa_table(make_dxa([{"device": device}]), PSEUDONYMISER).iloc[0]
    assert (exam["dxa_device"], exam["device_family"]) == (name, family)


@pytest.mark.parametrize("text", ["abc", "0,912", "nan", "inf", "1_0", "1e999", "٣"])
def test_what_is_no_plain_number_is_none_and_its_text_goes_no_further(text: str, make_dxa: MakeDxa) -> None:
    exams = read_dxa_table(make_dxa([{"bmd_l2_g_cm2": text}]), PSEUDONYMISER)
    assert exams["bmd_l2_g_cm2_state"].iloc[0] == NOT_A_NUMBER
    assert math.isnan(exams["bmd_l2_g_cm2"].iloc[0])


def test_an_empty_level_is_missing_unless_it_is_flagged(make_dxa: MakeDxa) -> None:
    empty = {"bmd_l1_g_cm2": "", "bmd_l1_l4_g_cm2": "", "bmd_l4_g_cm2": ""}
    exams = read_dxa_table(make_dxa([{**empty, "invalid_l1": "1", "invalid_l4": "1"}]), PSEUDONYMISER).iloc[0]
    assert exams["bmd_l1_g_cm2_state"] == NOT_EVALUABLE
    assert exams["bmd_l4_g_cm2_state"] == NOT_EVALUABLE
    assert exams["bmd_l1_l4_g_cm2_state"] == EMPTY


@pytest.mark.parametrize("text", ["2024-13-01", "01.05.2024", "2024-5-1", "", "2023-02-29"])
def test_dates_that_are_none_are_not_read(text: str, make_dxa: MakeDxa) -> None:
    assert read_dxa_table(make_dxa([{"exam_date": text}]), PSEUDONYMISER)["exam_date"].iloc[0] is None


def test_missing_and_foreign_columns_are_named_by_name_and_by_place(tmp_path: Path) -> None:
    path = tmp_path / "dxa.csv"
    header = [column for column in DXA_COLUMNS if column != "tbs_l3"] + ["MUELLER^HANS"]
    path.write_text(",".join(header) + "\n", encoding="utf-8")
    with pytest.raises(
        DxaTableError, match=r"columns missing: tbs_l3; columns not expected at place 21"
    ) as caught:
        read_dxa_table(path, PSEUDONYMISER)
    assert "MUELLER" not in str(caught.value)


@pytest.mark.parametrize(("sign", "name"), [(";", "semicolons"), ("\t", "tabs")])
def test_a_table_of_another_country_is_told_what_is_accepted(sign: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / "dxa.csv"
    path.write_text(f"{sign.join(DXA_COLUMNS)}\n{sign.join('0,9' for _ in DXA_COLUMNS)}\n", encoding="utf-8")
    with pytest.raises(DxaTableError, match=f"separated by {name}; accepted: commas"):
        read_dxa_table(path, PSEUDONYMISER)


def test_a_ragged_row_is_named(tmp_path: Path) -> None:
    path = tmp_path / "dxa.csv"
    path.write_text(",".join(DXA_COLUMNS) + "\nID1,2024-01-01\n", encoding="utf-8")
    with pytest.raises(DxaTableError, match="row 2 has 2 values; accepted: 21"):
        read_dxa_table(path, PSEUDONYMISER)


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DxaTableError, match="cannot be read"):
        read_dxa_table(tmp_path / "none.csv", PSEUDONYMISER)
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00DICM")
    with pytest.raises(DxaTableError, match="not a CSV table in UTF-8"):
        read_dxa_table(tmp_path / "binary.csv", PSEUDONYMISER)
    (tmp_path / "empty.csv").write_bytes(b"")
    with pytest.raises(DxaTableError, match="columns missing: patient_id"):
        read_dxa_table(tmp_path / "empty.csv", PSEUDONYMISER)
