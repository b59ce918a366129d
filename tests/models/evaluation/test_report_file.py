"""report.json: comes back as it was written, and is refused where it has another form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.evaluation.report import Evaluation
from models.evaluation.report_file import ReportError, read_report, write_report


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema_version": 0}, "schema 0"),
        ({"schema_version": 1}, "schema 1"),
        ({"patient": None}, "patient"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_reports_of_another_form_are_refused(
    evaluation: Evaluation, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    document = json.loads(evaluation.report.model_dump_json()) | change
    (tmp_path / "report.json").write_text(json.dumps(document))
    with pytest.raises(ReportError, match=words):
        read_report(tmp_path / "report.json")


def test_a_report_comes_back_as_it_was_written(evaluation: Evaluation, tmp_path: Path) -> None:
    write_report(evaluation.report, tmp_path / "report.json")
    assert read_report(tmp_path / "report.json") == evaluation.report


@pytest.mark.parametrize("constant", ["NaN", "Infinity"])
def test_nan_in_a_report_is_refused(evaluation: Evaluation, tmp_path: Path, constant: str) -> None:
    document = json.loads(evaluation.report.model_dump_json())
    document["patient"]["bmd.pearson_r"]["low"] = float(constant)
    (tmp_path / "report.json").write_text(json.dumps(document))
    with pytest.raises(ReportError, match=f"{constant}, which is not a number"):
        read_report(tmp_path / "report.json")
