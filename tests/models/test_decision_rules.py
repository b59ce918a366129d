"""decision.json: read strictly, written whole."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import models.decision as decision
from models.decision import DecisionRulesError, read_rules, write_rules
from tests.decision_document import RULES


def _file(folder: Path, document: Any) -> Path:
    path = folder / "decision.json"
    path.write_text(json.dumps(document))
    return path


def _with(key: str, value: Any) -> dict[str, Any]:
    document = json.loads(json.dumps(RULES))
    *parents, last = key.split(".")
    inner = document
    for parent in parents:
        inner = inner[parent]
    inner[last] = value
    return document


def test_rules_come_back_as_they_were_written(tmp_path: Path) -> None:
    rules = read_rules(_file(tmp_path, RULES))
    write_rules(rules, tmp_path / "folder" / "again.json")
    assert read_rules(tmp_path / "folder" / "again.json") == rules
    assert json.loads((tmp_path / "folder" / "again.json").read_text()) == RULES
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["again.json"]


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("schema_version", 0, "schema 0"),
        ("schema_version", 2, "schema 2"),
        ("schema_version", True, "schema True"),
        ("cutoffs.impaired_tbs", "1.3", "impaired_tbs"),
        ("cutoffs.impaired_tbs", None, "impaired_tbs"),
        ("cutoffs.osteopenia_bmd_g_cm2", 950.0, "cutoffs"),
        ("cutoffs.other", 1.0, "other"),
        ("flag_on", [], "flag_on"),
        ("flag_on", ["fracture"], "flag_on"),
        ("bmd_half_width_g_cm2", 0.0, "bmd_half_width_g_cm2"),
        ("bmd_half_width_g_cm2", float("nan"), "bmd_half_width_g_cm2"),
        ("tbs_half_width", -0.1, "tbs_half_width"),
        ("interval_coverage", 1.0, "interval_coverage"),
        ("reference.sd_g_cm2", 0.0, "reference"),
        ("reference.osteoporosis_t", 2.5, "osteoporosis_t"),
        ("geometry.pixels", 96.5, "pixels"),
        ("vendors", [], "vendors"),
        ("vendors", "GE", "vendors"),
        ("kvp_minimum", 200.0, "kvp_minimum"),
        ("minimum_age_years", 18.0, "minimum_age_years"),
        ("minimum_levels", 1, "minimum_levels"),
        ("data_kind", "phantom", "data_kind"),
        ("versions.data", "", "data"),
        ("extra", 1, "extra"),
    ],
)
def test_a_wrong_value_is_refused_by_name(tmp_path: Path, key: str, value: Any, named: str) -> None:
    with pytest.raises(DecisionRulesError, match=named):
        read_rules(_file(tmp_path, _with(key, value)))


@pytest.mark.parametrize("key", sorted(RULES))
def test_a_missing_key_is_refused(tmp_path: Path, key: str) -> None:
    document = {name: value for name, value in RULES.items() if name != key}
    with pytest.raises(DecisionRulesError, match=key if key != "schema_version" else "schema None"):
        read_rules(_file(tmp_path, document))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"rules"', "\x00\xff"])
def test_what_is_no_rule_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "decision.json"
    path.write_text(text)
    with pytest.raises(DecisionRulesError, match=r"decision\.json"):
        read_rules(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DecisionRulesError, match=r"absent\.json.*cannot be read"):
        read_rules(tmp_path / "absent.json")


def test_rules_that_could_not_be_read_back_are_not_written(tmp_path: Path) -> None:
    path = _file(tmp_path, RULES)
    before = path.read_text()
    with pytest.raises(DecisionRulesError):
        write_rules(replace(read_rules(path), vendors=()), path)
    assert path.read_text() == before


def test_the_copy_beside_a_served_model_answers_alike(tmp_path: Path) -> None:
    copy = tmp_path / "decision_copy.py"
    copy.write_text(Path(decision.__file__).read_text())
    spec = importlib.util.spec_from_file_location("decision_copy", copy)
    assert spec is not None
    assert spec.loader is not None
    travelled = importlib.util.module_from_spec(spec)
    sys.modules["decision_copy"] = travelled
    try:
        spec.loader.exec_module(travelled)
        path = _file(tmp_path, RULES)
        theirs = travelled.decide([0.9, 0.8], [1.3, 1.2], 66, "F", travelled.read_rules(path))
    finally:
        del sys.modules["decision_copy"]
    ours = decision.decide([0.9, 0.8], [1.3, 1.2], 66, "F", read_rules(path))
    assert theirs.as_dict() == ours.as_dict()
