"""Files in, files out: damaged reports are refused and leave nothing behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from components.gate_promotion.policy import GateParams
from components.gate_promotion.run import DecisionFileError, read_decision, run
from models.errors import ParameterError
from models.evaluation.report_file import EvaluationReport, ReportError, write_report
from tests import simulated_predictions as simulated

Damage = Callable[[dict], object]


@pytest.fixture
def report(judge, tmp_path: Path) -> Path:
    write_report(judge(simulated.of_quality(0.97, 0.85), 1, 60), tmp_path / "report.json")
    return tmp_path / "report.json"


def test_the_decision_is_written_for_programs_and_people(
    report: Path, gate_params: GateParams, tmp_path: Path
) -> None:
    decision = run(
        report=report, champion_report=None, policy="demo", params=gate_params, out=tmp_path / "out"
    )
    assert decision.promoted
    written = json.loads((tmp_path / "out" / "decision.json").read_text())
    assert written["promoted"] is True
    page = (tmp_path / "out" / "decision.html").read_text()
    assert "<h1>Promoted</h1>" in page
    assert "Measured on simulated phantoms - not clinical evidence" in page
    assert "There is no champion" in page
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["decision.html", "decision.json"]
    assert read_decision(tmp_path / "out" / "decision.json") == decision


def _set_nan(document: dict) -> None:
    document["patient"]["bmd.pearson_r"]["value"] = float("nan")


def _older(document: dict) -> None:
    document["schema_version"] = 1


def _newer(document: dict) -> None:
    document["schema_version"] = 99


def _no_low(document: dict) -> None:
    document["patient"]["bmd.pearson_r"]["low"] = None


def _swapped_bounds(document: dict) -> None:
    metric = document["patient"]["bmd.pearson_r"]
    metric["low"], metric["high"] = metric["high"], metric["low"]


def _without_gains(document: dict) -> None:
    del document["gains"]


@pytest.mark.parametrize("damage", [_set_nan, _older, _newer, _no_low, _swapped_bounds, _without_gains])
@pytest.mark.parametrize("whose", ["challenger", "champion"])
def test_a_damaged_report_is_refused_and_nothing_is_decided(
    report: Path, gate_params: GateParams, tmp_path: Path, damage: Damage, whose: str
) -> None:
    document = json.loads(report.read_text())
    damage(document)
    damaged = tmp_path / "damaged.json"
    damaged.write_text(json.dumps(document))
    with pytest.raises(ReportError, match=r"damaged\.json"):
        run(
            report=damaged if whose == "challenger" else report,
            champion_report=damaged if whose == "champion" else None,
            policy="demo",
            params=gate_params,
            out=tmp_path / "out",
        )
    assert not (tmp_path / "out").exists()


def test_a_report_of_an_older_schema_is_refused_with_what_to_do(
    report: Path, gate_params: GateParams, tmp_path: Path
) -> None:
    document = json.loads(report.read_text()) | {"schema_version": 1}
    report.write_text(json.dumps(document))
    with pytest.raises(ReportError, match=r"schema 1; this version reads 2: evaluate the model again"):
        run(report=report, champion_report=None, policy="demo", params=gate_params, out=tmp_path / "out")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "no decision of the gate"),
        ("{", "not a JSON decision"),
        ('{"schema_version": 1}', "schema 1; this version reads 2"),
        ('{"schema_version": 2}', "Field required"),
    ],
)
def test_a_damaged_decision_is_refused(tmp_path: Path, text: str | None, words: str) -> None:
    if text is not None:
        (tmp_path / "decision.json").write_text(text)
    with pytest.raises(DecisionFileError, match=words):
        read_decision(tmp_path / "decision.json")


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"schema_version": 2, "patient"'])
def test_a_champion_report_that_is_named_but_unreadable_is_no_missing_champion(
    report: Path, gate_params: GateParams, tmp_path: Path, text: str | None
) -> None:
    champion = tmp_path / "champion_report.json"
    if text is not None:
        champion.write_text(text)
    with pytest.raises(ReportError, match=r"champion_report\.json"):
        run(report=report, champion_report=champion, policy="demo", params=gate_params, out=tmp_path / "out")


def test_an_unknown_policy_decides_nothing(report: Path, gate_params: GateParams, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="lenient"):
        run(report=report, champion_report=None, policy="lenient", params=gate_params, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_report_that_was_written_can_be_read_by_the_gate(judge, tmp_path: Path) -> None:
    report: EvaluationReport = judge(simulated.constant, 1)
    write_report(report, tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text())["patient"]["bmd.pearson_r"]["value"] is None
