"""Profiles of params.yaml: overrides merged key by key; a wrong name or key is one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from models.crop_store import CropGeometry
from models.errors import ParameterError
from models.params import load_section, read_params_file, with_profile
from models.train_params import TrainParams
from pipelines.cli.profile import HELP
from pipelines.compile_pipeline import compile_pipeline
from pipelines.local_run import RunOptions, _refuse_other_order
from pipelines.params import gate_policy, read_params

ROOT = Path(__file__).resolve().parents[2]
PARAMS = ROOT / "params.yaml"
SECTIONS = {
    "train": {"epochs": 10, "augmentation": {"noise_hu": 6.0, "mirror": True}},
    "simulate": {"n": [1, 2]},
}


def test_mappings_are_merged_and_all_else_replaced() -> None:
    overrides = {"small": {"train": {"augmentation": {"noise_hu": 0.0}}, "simulate": {"n": [3]}}}
    before = json.dumps(SECTIONS)
    assert with_profile(SECTIONS, overrides, "small") == {
        "train": {"epochs": 10, "augmentation": {"noise_hu": 0.0, "mirror": True}},
        "simulate": {"n": [3]},
    }
    assert json.dumps(SECTIONS) == before


def test_the_help_names_every_profile_there_is() -> None:
    named = HELP.removeprefix("Name under profiles in params.yaml: ").partition(";")[0]
    assert named.split(", ") == list(yaml.safe_load(PARAMS.read_text())["profiles"])


@pytest.mark.parametrize("empty", [None, {}])
def test_a_profile_without_overrides_is_the_file(empty: object) -> None:
    assert with_profile(SECTIONS, {"demo": empty}, "demo") == SECTIONS


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            {"train": {"epochz": 1}},
            "profiles.p.train.epochz: unknown key; accepted keys: epochs, augmentation",
        ),
        ({"trian": {}}, "profiles.p.trian: unknown key; accepted keys: train, simulate"),
        ({"train": {"augmentation": 0}}, "profiles.p.train.augmentation: expected a mapping, found 0"),
        ({"train": {"epochs": {"n": 1}}}, "profiles.p.train.epochs: found a mapping; expected one value"),
        ([1], r"profiles.p: expected a mapping, found \[1\]"),
        (0, "profiles.p: expected a mapping, found 0"),
        ("", "profiles.p: expected a mapping, found ''"),
        (False, "profiles.p: expected a mapping, found False"),
    ],
)
def test_a_wrong_override_is_named(overrides: object, said: str) -> None:
    with pytest.raises(ParameterError, match=said) as caught:
        with_profile(SECTIONS, {"p": overrides}, "p")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("profiles", "said"),
    [({"demo": {}}, "accepted: demo"), (None, "none is defined"), ([1], "none is defined")],
)
def test_an_unknown_profile_is_named(profiles: object, said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        with_profile(SECTIONS, profiles, "papper")


def test_every_wrong_key_is_in_the_one_line() -> None:
    with pytest.raises(ParameterError) as caught:
        with_profile(SECTIONS, {"p": {"train": {"a": 1, "b": 2}}}, "p")
    assert "train.a" in str(caught.value)
    assert "train.b" in str(caught.value)


def test_demo_is_the_file_itself() -> None:
    assert read_params(PARAMS, "demo") == read_params(PARAMS)


def test_paper_is_the_papers_protocol() -> None:
    own, paper = read_params_file(PARAMS), read_params_file(PARAMS, "paper")
    assert paper["simulate"]["patients"] == 402
    assert sum(paper["simulate"]["defects"].values()) == 0
    assert paper["simulate"]["defects"].keys() == own["simulate"]["defects"].keys()
    split = paper["prepare"]["split"]
    assert {name: split[name] for name in ("train", "validation", "calibration", "test")} == {
        "train": 280, "validation": 35, "calibration": 35, "test": 52,
    }  # fmt: skip
    geometry = CropGeometry.model_validate(paper["prepare"]["geometry"])
    field = load_section(PARAMS, "train", TrainParams, "paper").network(geometry).field
    assert field.pixels == geometry.pixels == 224  # all that is stored is seen
    assert field.size_mm == own["train"]["field_of_view_mm"]
    shape = {"pixels", "size_mm", "centre_shift_mm"}
    assert {name: value for name, value in paper["prepare"]["geometry"].items() if name not in shape} == {
        name: value for name, value in own["prepare"]["geometry"].items() if name not in shape
    }
    assert paper["train"]["arch"] == "resnet50"


def test_hospital_is_judged_by_the_production_policy() -> None:
    params = read_params(PARAMS, "hospital")
    assert gate_policy(params, None, PARAMS) == "production"
    assert gate_policy(params, "demo", PARAMS) == "demo"
    assert gate_policy(read_params(PARAMS), None, PARAMS) == "demo"


def test_a_section_is_read_under_a_profile(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(yaml.safe_dump({"train": {"epochs": 3}, "profiles": {"long": {"train": {"epochs": 9}}}}))
    assert load_section(file, "train", TrainParams).epochs == 3
    assert load_section(file, "train", TrainParams, "long").epochs == 9
    with pytest.raises(ParameterError, match=rf"{file}: profile 'short' .*accepted: long"):
        load_section(file, "train", TrainParams, "short")


def test_a_value_that_a_section_refuses_is_refused_under_the_profile_too(tmp_path: Path) -> None:
    document = yaml.safe_load(PARAMS.read_text())
    document["profiles"]["bad"] = {"train": {"epochs": 0}}
    file = tmp_path / "params.yaml"
    file.write_text(yaml.safe_dump(document))
    with pytest.raises(ParameterError, match=r"train\.epochs: found 0"):
        read_params(file, "bad")


def test_the_compiled_pipeline_carries_the_merged_parameters(tmp_path: Path) -> None:
    document = yaml.safe_load(PARAMS.read_text())
    document["profiles"]["own"] = {"train": {"epochs": 77}, "gate": {"default_policy": "production"}}
    file = tmp_path / "params.yaml"
    file.write_text(yaml.safe_dump(document))
    out = tmp_path / "osteogate.yaml"
    compile_pipeline(
        root=ROOT,
        params_file=file,
        site_file=ROOT / "infra/kubernetes/site.yaml",
        out=out,
        profile="own",
        image="registry.example.org/osteogate:abc",
    )
    pipeline = next(yaml.safe_load_all(out.read_text()))
    defaults = {
        name: parameter.get("defaultValue")
        for name, parameter in pipeline["root"]["inputDefinitions"]["parameters"].items()
    }
    assert json.loads(defaults["train_spec"])["params"]["train"]["epochs"] == 77
    assert defaults["policy"] == "production"


@pytest.mark.parametrize(
    "words",
    [
        ("run", "--profile", "papper"),
        ("simulate", "--out", "cohort", "--profile", "papper"),
        ("compile", "-o", "pipeline.yaml", "--profile", "papper"),
    ],
)
def test_the_command_line_refuses_an_unknown_profile_in_one_line(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "params.yaml").write_text(PARAMS.read_text())
    (tmp_path / "pyproject.toml").write_text("")
    site = tmp_path / "infra" / "kubernetes"
    site.mkdir(parents=True)
    (site / "site.yaml").write_text((ROOT / "infra/kubernetes/site.yaml").read_text())
    done = subprocess.run(
        [str(Path(sys.executable).with_name("osteogate")), *words],
        cwd=tmp_path,
        env={**os.environ, "OSTEOGATE_ROOT": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert "profile 'papper'" in line
    assert "accepted: demo, paper, study, ablation, hospital" in line
    assert not (tmp_path / "cohort").exists()
    assert not (tmp_path / "pipeline.yaml").exists()


@pytest.mark.parametrize("name", yaml.safe_load(PARAMS.read_text())["profiles"])
def test_every_profile_of_the_file_is_accepted_by_every_section(name: str) -> None:
    assert read_params(PARAMS, name).keys() == read_params(PARAMS).keys()


def test_a_run_is_resumed_under_the_profile_it_was_begun_with(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"profile": "paper", "arguments": {"policy": "demo", "data_folder": ""}}))
    begun = RunOptions(params_file=PARAMS, policy="demo", profile="paper", resume=True)
    _refuse_other_order(plan, begun)
    with pytest.raises(ParameterError, match="begun with --profile paper; say the same"):
        _refuse_other_order(plan, replace(begun, profile=None))
    plan.write_text(json.dumps({"arguments": {"policy": "demo", "data_folder": ""}}))  # of an earlier version
    _refuse_other_order(plan, replace(begun, profile=None))
