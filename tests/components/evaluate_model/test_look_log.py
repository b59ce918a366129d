"""The log of looks: a look at some of the same patients is a look at them, whatever the data set is called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.evaluate_model.look_log import LookLogError, note_look
from models.errors import InputError


def _look(log: Path, patients: list[str], version: str = "v1") -> int:
    return note_look(log, patients, data_version=version, weights_sha256="f" * 64)


def test_a_cohort_that_grew_by_one_patient_is_looked_at_again(tmp_path: Path) -> None:
    log = tmp_path / "home" / "looks.jsonl"
    assert _look(log, ["a", "b", "c"]) == 1
    assert _look(log, ["a", "b", "c", "d"], "v2") == 2
    assert _look(log, ["d"], "v3") == 2  # the second look only
    assert _look(log, ["a", "b", "c"]) == 3
    assert _look(log, ["e"], "v2") == 1  # other patients of a data set that was looked at


def test_the_order_of_patients_and_their_crops_say_nothing(tmp_path: Path) -> None:
    log = tmp_path / "looks.jsonl"
    assert [_look(log, patients) for patients in (["a", "b"], ["b", "a", "a"])] == [1, 2]
    first, second = map(json.loads, log.read_text().splitlines())
    assert first["test_set"] == second["test_set"]


def test_a_set_is_written_once_and_no_identifier_at_all(tmp_path: Path) -> None:
    log = tmp_path / "looks.jsonl"
    patients = [f"{number:04d}aaaaaaaaaaaa" for number in range(50)]
    for _ in range(3):
        _look(log, patients)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [len(line.get("patients", [])) for line in lines] == [50, 0, 0]
    assert not any(patient in log.read_text() for patient in patients)


def test_lines_of_an_earlier_version_count_by_their_data_version(tmp_path: Path) -> None:
    log = tmp_path / "looks.jsonl"
    old = [
        {"at": "2026-11-23T05:49:29+00:00", "data_version": name, "weights_sha256": "0" * 64} for name in "xy"
    ]
    log.write_text("".join(json.dumps(line) + "\n" for line in old))
    assert _look(log, ["a"], "x") == 2
    assert _look(log, ["a"], "z") == 2


def test_a_damaged_log_is_refused_and_stays(tmp_path: Path) -> None:
    log = tmp_path / "looks.jsonl"
    for text in ("not json\n", "[1]\n"):
        log.write_text(text)
        with pytest.raises(InputError, match=r"looks\.jsonl: a line is not"):
            _look(log, ["a"])
        assert log.read_text() == text


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_look_that_cannot_be_logged_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LookLogError, match="not logged"):
        _look(tmp_path, ["a"])  # a folder
