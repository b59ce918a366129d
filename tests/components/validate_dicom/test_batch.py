"""The batch as a whole: vendors against the last accepted batch, enough rows, the population, one patient once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from components.ingest_dicom.pseudonym import Pseudonymiser
from components.validate_dicom.accepted_batches import (
    AcceptedBatch,
    BatchRecordError,
    batch_name,
    last_before,
    read_batches,
    record_batch,
)
from components.validate_dicom.batch_rules import FIRST_BATCH, NO_RECORD, batch_wide_rules, compare_with_last
from components.validate_dicom.dxa_rules import dxa_batch_rules, dxa_rules
from components.validate_dicom.dxa_table import read_dxa_table
from components.validate_dicom.params import ValidateParams
from components.validate_dicom.result_folder import ValidationSummary
from components.validate_dicom.run import VendorMixError, run
from components.validate_dicom.tables import read_quarantine
from components.validate_dicom.validation import Validation
from components.validate_dicom.vendor_mix import compare_mix
from models.refusal import Code
from tests.components.validate_dicom.sound_intake import KEY, write_exams


def batch(name: str, kind: str = "site", **by_vendor: int) -> AcceptedBatch:
    return AcceptedBatch(batch=name, data_kind=kind, data_version="v", by_vendor=by_vendor)


def test_distance_and_chance_by_hand() -> None:
    # shares 0.5, 0.5 against 0.75, 0.25: distance 0.25; chi-square of [[20, 20], [30, 10]]: 5.333, p 0.0209
    found = compare_mix({"GE": 20, "Siemens": 20}, {"GE": 30, "Siemens": 10})
    assert found.distance == pytest.approx(0.25)
    assert found.p == pytest.approx(0.0209, abs=1e-4)
    assert compare_mix({"GE": 3}, {"GE": 90}) == (0.0, 1.0)
    assert compare_mix({"GE": 30}, {"Canon": 30}).distance == 1.0
    with pytest.raises(ValueError, match="no rows"):
        compare_mix({}, {"GE": 1})


@pytest.mark.parametrize(
    ("vendors", "differs"),
    [
        (["GE"] * 50 + ["Siemens"] * 50, False),
        (["GE"] * 60 + ["Siemens"] * 40, False),  # 0.1 apart
        (["GE"] * 100, True),  # a vendor lost
        (["GE"] * 50 + ["Canon"] * 50, True),  # another vendor in its place
        (["GE"] * 3, False),  # 0.5 apart, and three rows say nothing
    ],
)
def test_another_mix_is_one_beyond_the_limit_and_beyond_chance(
    vendors: list[str], differs: bool, params: ValidateParams
) -> None:
    last = batch("a", GE=50, Siemens=50)
    assert compare_with_last(pd.Series(vendors), last, params).differs is differs
    wide = [rule for rule in batch_wide_rules(params, last) if "other scanners" in rule.reason]
    frame = pd.DataFrame({"patient": [f"p{n}" for n in range(len(vendors))], "vendor": vendors})
    warnings = Validation().check("batch", frame, "patient", wide, ()).batch_warnings
    assert bool(warnings) is differs


def test_the_last_other_batch_of_the_same_kind_is_compared_with(tmp_path: Path) -> None:
    record = tmp_path / "deeper" / "batches.json"
    assert read_batches(record) == ()
    for one in (batch("a", GE=1), batch("b", "simulated", GE=2), batch("c", GE=3), batch("a", GE=4)):
        record_batch(record, one)
    kept = read_batches(record)
    assert [(one.batch, one.by_vendor["GE"]) for one in kept] == [("b", 2), ("c", 3), ("a", 4)]
    assert last_before(kept, "a", "site") == batch("c", GE=3)
    assert last_before(kept, "new", "site") == batch("a", GE=4)
    assert last_before(kept, "b", "simulated") is None
    assert batch_name(["x", "y"]) == batch_name(["y", "x"]) != batch_name(["x"])


@pytest.mark.parametrize("content", ["", "[]", '{"schema_version": 9, "batches": []}'])
def test_a_damaged_record_is_said_in_one_line(content: str, tmp_path: Path) -> None:
    (tmp_path / "batches.json").write_text(content)
    with pytest.raises(BatchRecordError, match="move it away"):
        read_batches(tmp_path / "batches.json")


def _validate(
    intake: Path, dxa: Path, out: Path, params: ValidateParams, batches: Path | None
) -> ValidationSummary:
    return run(
        intake=intake, dxa_csv=dxa, out=out, key=KEY, params=params, data_kind="site", data_version="v1",
        batches=batches,
    )  # fmt: skip


def test_a_batch_that_lost_a_vendor_is_warned_of_or_refused(
    make_intake: Callable[..., Path],
    make_dxa: Callable[[list[dict[str, str]]], Path],
    params: ValidateParams,
    tmp_path: Path,
) -> None:
    series: list[dict[str, Any]] = [{} for _ in range(12)]
    series[1] |= {"patient": "ID1", "series": "s2", "study": "the study of ID1"}
    series[2] |= {"study": "the study of ID1"}  # ID3 under ID1's study
    exams = [{"patient_id": f"ID{number}"} for number in (1, *range(3, 13))]
    intake, dxa, record = make_intake(series), make_dxa(exams), tmp_path / "batches.json"
    first = _validate(intake, dxa, tmp_path / "out", params, None)
    assert first.vendor_mix == NO_RECORD
    assert not record.exists()
    first = _validate(intake, dxa, tmp_path / "out", params, record)
    assert first.vendor_mix == FIRST_BATCH
    doubled = read_quarantine(tmp_path / "out")
    assert set(doubled[doubled["code"] == "PATIENT_DOUBLED"]["key"]) == {"s2", "s3"}
    assert any("PATIENT_DOUBLED" in line and "dxa" in line for line in first.warnings)  # all exams are alike
    assert any("Too few pairs for a model" in line for line in first.warnings)
    again = _validate(intake, dxa, tmp_path / "out", params, record)
    assert again.vendor_mix == FIRST_BATCH  # the same batch is not compared with itself
    (kept,) = read_batches(record)
    assert kept.by_vendor == {"GE": first.counts["series_accepted"]}
    record.write_text(
        json.dumps({"schema_version": 1, "batches": [batch("before", GE=10, Canon=90).model_dump()]})
    )
    strict = params.model_copy(
        update={
            "batch": params.batch.model_copy(
                update={"vendor_mix": params.batch.vendor_mix.model_copy(update={"action": "refuse"})}
            )
        }
    )
    with pytest.raises(VendorMixError, match=r"not the same .*Canon 90 %"):
        _validate(intake, dxa, tmp_path / "out", strict, record)
    assert "not the same" in (tmp_path / "out" / "summary.html").read_text(encoding="utf-8")
    assert [one.batch for one in read_batches(record)] == ["before"]  # what is refused is no reference
    warned = _validate(intake, dxa, tmp_path / "out", params, record)
    assert any("total variation distance 0.90" in line for line in warned.warnings)
    assert len(read_batches(record)) == 2
    assert "vendor_mix" in json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))


def _dxa_warnings(
    exams: list[dict[str, str]], path: Path, params: ValidateParams
) -> tuple[list[str], set[str]]:
    table = read_dxa_table(write_exams(path, exams), Pseudonymiser(KEY))
    found = Validation().check(
        "dxa", table, "row", dxa_batch_rules(params, len(table)), dxa_rules(params), every_column=True
    )
    return list(found.batch_warnings), {f"{one.key} {one.code}" for one in found.rows}


def test_a_table_of_another_unit_or_with_inverted_flags_is_warned_of(
    params: ValidateParams, tmp_path: Path
) -> None:
    count = params.batch.pairs_min
    usual = [{"patient_id": f"ID{n}", "bmd_l1_l4_g_cm2": f"{0.8 + n / 100:.2f}"} for n in range(count)]
    wide, rows = _dxa_warnings(usual, tmp_path / "usual.csv", params)
    assert wide == []
    assert not any(Code.DXA_UNUSUAL in row for row in rows)
    low = [{**exam, "bmd_l1_l4_g_cm2": "0.45", "tbs_l1_l4": "0.7", "invalid_l1": "1"} for exam in usual]
    wide, rows = _dxa_warnings(low, tmp_path / "low.csv", params)
    assert len(wide) == 3
    assert any("median of bmd_l1_l4_g_cm2_hologic 0.8 to 1.245 g/cm2" in line for line in wide)
    assert any("median of tbs_l1_l4" in line for line in wide)
    assert any("mean of invalid_l1" in line for line in wide)
    assert f"2 {Code.DXA_UNUSUAL}" in rows
    few, _ = _dxa_warnings(low[: count - 1], tmp_path / "few.csv", params)
    assert few == []


def test_the_population_is_compared_on_the_hologic_scale(params: ValidateParams, tmp_path: Path) -> None:
    # Genant 1994: 2.0 g/cm2 of a Lunar are 0.906 x 2.0 - 0.025 = 1.787 of a Hologic; the 99.9 % quantile is 1.786
    exams = [
        {"patient_id": "ID1", "bmd_l1_l4_g_cm2": "1.9", "device": "GE Lunar iDXA"},
        {"patient_id": "ID2", "bmd_l1_l4_g_cm2": "2.0", "device": "GE Lunar iDXA"},
        {"patient_id": "ID3", "bmd_l1_l4_g_cm2": "1.9"},
    ]
    _, rows = _dxa_warnings(exams, tmp_path / "dxa.csv", params)
    assert {row for row in rows if Code.DXA_UNUSUAL in row} == {"3 DXA_UNUSUAL", "4 DXA_UNUSUAL"}


def test_internal_is_a_crash_and_no_code() -> None:
    assert not [code for code in Code if "INTERNAL" in code.value]
