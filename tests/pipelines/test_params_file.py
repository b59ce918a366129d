"""params.yaml: wrong keys and ranges are named, all of them in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from models.errors import ParameterError
from models.params import read_params_file
from pipelines.params import SECTIONS, read_params

ROOT = Path(__file__).resolve().parents[2]


def test_the_checkouts_own_file_is_accepted() -> None:
    assert set(read_params(ROOT / "params.yaml")) == set(SECTIONS)


@pytest.mark.parametrize(
    ("section", "change", "words"),
    [
        ("train", {"epochz": 3}, ["train.epochz", "unknown key", "epochs"]),
        ("train", {"epochs": 0}, ["train.epochs", "found 0"]),
        ("train", {"epochs": "many"}, ["train.epochs", "'many'"]),
        ("train", {"epochs": True}, ["train.epochs: found True; a number is accepted, not true or false"]),
        ("train", {"field_of_view_mm": False}, ["train.field_of_view_mm: found False; a number"]),
        ("train", {"augmentation": {"shift_mm": True}}, ["train.augmentation.shift_mm: found True"]),
        ("train", {"arch": "vgg"}, ["train.arch", "resnet50"]),
        ("simulate", {"patients": -4}, ["simulate.patients", "-4"]),
        ("gate", {"policies": {}}, ["gate"]),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, section: str, change: dict, words: list[str]) -> None:
    document = yaml.safe_load((ROOT / "params.yaml").read_text())
    document[section] = {**document[section], **change}
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(document))
    with pytest.raises(ParameterError) as caught:
        read_params(path)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("text", "word"),
    [("train: [", "not valid YAML"), ("- a\n- b\n", "expected a mapping"), ("", "expected a mapping")],
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str, word: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(ParameterError, match=word):
        read_params(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "train: {epochs: 1}\ngate: {}\ntrain: {epochs: 2}\n",
            "line 3: key 'train' stands on line 1 already",
        ),
        ("train:\n  epochs: 1\n  batch: 2\n  'epochs': 3\n", "line 4: key 'epochs' stands on line 2 already"),
        ("profiles:\n  demo: {a: 1}\n  demo: {a: 2}\n", "line 3: key 'demo' stands on line 2 already"),
        ("train: {epochs: 1, epochs: 1}\n", "line 1: key 'epochs' stands on line 1 already"),
    ],
)
def test_a_key_that_stands_twice_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(ParameterError, match=f"^{path}: {words}; accepted: each key"):
        read_params(path)


def test_a_merged_mapping_may_be_overridden(tmp_path: Path) -> None:
    """YAML's own way to share values: what stands beside `<<` replaces, and is no repetition."""
    path = tmp_path / "params.yaml"
    path.write_text("a: &own {x: 1, y: 2}\nb: {<<: *own, y: 3}\n")
    assert read_params_file(path) == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}}


def test_a_missing_file_or_section_is_named(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="cannot be read"):
        read_params(tmp_path / "none.yaml")
    document = yaml.safe_load((ROOT / "params.yaml").read_text())
    del document["gate"]
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump({**document, "gates": {}}))
    with pytest.raises(ParameterError, match=r"unknown section gates.*section gate is missing"):
        read_params(path)


def test_aliases_that_stand_for_more_than_memory_holds_are_refused(tmp_path: Path) -> None:
    """Nine times nine times nine: written out, this file is three billion values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    path = tmp_path / "params.yaml"
    path.write_text("\n".join([*lines, "ingest: {workers: *a9}"]))
    with pytest.raises(ParameterError, match="aliases stand for more than 100000 values"):
        read_params_file(path)
    path.write_text("ingest: &a {workers: *a}")
    with pytest.raises(ParameterError, match="aliases"):
        read_params_file(path)


def test_nesting_without_end_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("ingest: " + "[" * 5000)
    with pytest.raises(ParameterError, match="not valid YAML") as caught:
        read_params_file(path)
    assert "\n" not in str(caught.value)
