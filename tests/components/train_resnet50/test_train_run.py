"""The training step: model folder, MLflow run, registry."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from components.train_resnet50 import __main__ as training
from components.train_resnet50.__main__ import main
from components.train_resnet50.registry import (
    ModelVersionMissingError,
    download,
    register,
    resolve_alias,
    set_alias,
    version_tags,
)
from components.train_resnet50.run import TrainSummary, run
from components.train_resnet50.tracking import flattened
from models.artefact import ModelTargetError, load_model
from models.crop_store import CropGeometry, CropStoreError
from models.dataset import TrainingDataError
from models.errors import ServiceUnavailableError
from models.params import read_params_file
from models.train_params import TrainParams, load_train_params
from tests.crop_store_factory import make_store

ROOT = Path(__file__).resolve().parents[3]
QUICK = TrainParams(arch="resnet18", epochs=2, batch=24, threads=1)
COMMON = {"experiment": "osteogate", "run_name": "test", "git_commit": "abc123"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def uri(home: Path) -> str:
    return f"sqlite:///{home / 'mlflow.db'}"


@pytest.fixture(scope="module")
def told() -> list[tuple[int, int, str]]:
    return []


@pytest.fixture(scope="module")
def summary(home: Path, uri: str, told: list[tuple[int, int, str]]) -> TrainSummary:
    make_store(home / "crops", patients=10, pixels=24, offsets_mm=(0.0,))
    return run(
        store=home / "crops",
        out=home / "model",
        params=QUICK,
        mlflow_uri=uri,
        progress=lambda done, total, text: told.append((done, total, text)),
        **COMMON,  # type: ignore[arg-type]
    )


def test_the_folder_holds_the_model_its_history_and_curves(summary: TrainSummary, home: Path) -> None:
    assert sorted(path.name for path in summary.folder.iterdir()) == [
        "curves.png", "history.json", "model.json", "seen_patients.json", "weights.pt",
    ]  # fmt: skip
    card = load_model(summary.folder).card
    assert (card.weights_sha256, card.git_commit) == (summary.weights_sha256, "abc123")
    assert (summary.folder / "curves.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert not list(home.glob(".model*")), "the checkpoint goes when the model is there"


def test_progress_counts_every_batch(summary: TrainSummary, told: list[tuple[int, int, str]]) -> None:
    assert [(done, total) for done, total, _ in told] == [(1, 2), (2, 2)]
    assert "epoch 2/2" in told[-1][2]
    assert "validation MAE" in told[-1][2]


def test_mlflow_has_parameters_metrics_per_epoch_and_the_folder(
    summary: TrainSummary, uri: str, home: Path
) -> None:
    client = MlflowClient(uri)
    tracked = client.get_run(summary.run_id)
    assert tracked.info.status == "FINISHED"
    assert tracked.data.params["learning_rate"] == "0.001"
    assert tracked.data.params["augmentation.shift_mm"] == "2.0"
    assert tracked.data.params["geometry.pixels"] == "24"
    assert tracked.data.tags["data_version"] == "synthetic"
    steps = [metric.step for metric in client.get_metric_history(summary.run_id, "validation_loss")]
    assert steps == [1, 2]
    artefacts = {item.path for item in client.list_artifacts(summary.run_id, "model")}
    assert {"model/weights.pt", "model/curves.png"} <= artefacts
    assert (home / "mlartifacts").is_dir()


def test_a_failed_training_is_marked_failed_and_leaves_no_folder(uri: str, tmp_path: Path) -> None:
    make_store(tmp_path / "crops", patients=4, pixels=16, split_of_ten=("train",) * 10)
    with pytest.raises(TrainingDataError, match="split validation"):
        run(
            store=tmp_path / "crops",
            out=tmp_path / "model",
            params=QUICK,
            mlflow_uri=uri,
            progress=False,
            **COMMON,  # type: ignore[arg-type]
        )
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("osteogate")
    assert experiment is not None
    states = [one.info.status for one in client.search_runs([experiment.experiment_id])]
    assert states.count("FAILED") == 1
    assert not (tmp_path / "model").exists()


def test_no_store_no_run(uri: str, tmp_path: Path) -> None:
    with pytest.raises(CropStoreError, match="not a crop store"):
        run(store=tmp_path, out=tmp_path / "model", params=QUICK, mlflow_uri=uri, **COMMON)  # type: ignore[arg-type]


def test_an_alias_that_is_not_there_is_none_before_and_after_the_first_version(
    summary: TrainSummary, uri: str
) -> None:
    assert resolve_alias(uri, "nothing", "champion") is None
    register(summary.folder, uri, {}, name="other", run_id=summary.run_id)
    assert resolve_alias(uri, "other", "champion") is None
    with pytest.raises(ServiceUnavailableError, match="Registered model alias name"):
        resolve_alias(uri, "other", "")


def test_a_registered_model_comes_back_by_alias(summary: TrainSummary, uri: str, tmp_path: Path) -> None:
    decision = tmp_path / "decision.json"
    decision.write_text("{}")
    first = register(summary.folder, uri, {"policy": "demo"}, run_id=summary.run_id, extra_files=[decision])
    second = register(summary.folder, uri, {})
    assert second == first + 1
    set_alias(uri, "osteogate", "champion", first)
    assert resolve_alias(uri, "osteogate", "champion") == first
    tags = version_tags(uri, "osteogate", first)
    assert tags["policy"] == "demo"
    assert tags["data_kind"] == "simulated"
    assert tags["weights_sha256"] == summary.weights_sha256
    folder = download(uri, "osteogate", first, tmp_path / "champion")
    assert load_model(folder).card == load_model(summary.folder).card
    assert (folder / "decision.json").read_text() == "{}"
    assert not (download(uri, "osteogate", second, tmp_path / "second") / "decision.json").exists()

    with pytest.raises(ModelVersionMissingError, match="no osteogate version 99"):
        set_alias(uri, "osteogate", "champion", 99)
    assert resolve_alias(uri, "osteogate", "champion") == first
    with pytest.raises(ModelVersionMissingError):
        download(uri, "osteogate", 99, tmp_path / "absent")
    assert not (tmp_path / "absent").exists()


def test_nested_parameters_are_flattened_with_dots() -> None:
    assert flattened({"a": 1, "b": {"c": None, "d": [1, 2]}}) == {"a": "1", "b.c": "None", "b.d": "[1, 2]"}


def test_params_yaml_trains_a_resnet50_on_the_crops_that_prepare_makes() -> None:
    params = load_train_params(ROOT / "params.yaml")
    assert params.arch == "resnet50"
    geometry = CropGeometry.model_validate(read_params_file(ROOT / "params.yaml")["prepare"]["geometry"])
    assert params.network(geometry).body_anterior_mm == geometry.centre_shift_mm


def by_itself(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "components.train_resnet50", *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_by_itself_a_missing_store_is_one_line_and_exit_3(tmp_path: Path) -> None:
    done = by_itself("--store", "nowhere", "--out", tmp_path / "m")
    assert done.returncode == 3
    assert done.stderr.startswith("error: nowhere: not a crop store")
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_no_model_is_left_alone_before_anything_is_trained(uri: str, tmp_path: Path) -> None:
    make_store(tmp_path / "crops", patients=10, pixels=16, offsets_mm=(0.0,))
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "ch1.txt").write_text("years of work")
    with pytest.raises(ModelTargetError, match="thesis: is not empty and holds no model"):
        run(
            store=tmp_path / "crops",
            out=thesis,
            params=QUICK,
            mlflow_uri=uri,
            progress=lambda *_: pytest.fail("trained"),
            **COMMON,  # type: ignore[arg-type]
        )
    assert (thesis / "ch1.txt").read_text() == "years of work"


def test_a_place_that_cannot_be_is_said_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the command line runs it; the store is found in the folder that holds it as crops."""
    make_store(tmp_path / "made" / "crops", patients=10, pixels=16, offsets_mm=(0.0,))
    file, model = tmp_path / "file", tmp_path / "model"
    file.write_text("")
    for words, said in (
        (("--out", "."), "is not empty and holds no model"),
        (("--out", "/"), "is not empty and holds no model"),
        (("--out", file), "is no folder"),
        (("--out", file / "model"), "name a folder that can be written"),
        (("--out", "/proc/nope/model"), "name a folder that can be written"),
        (("--out", model, "--mlflow", "sqlite:////proc/nope/x.db"), "name a folder that can be written"),
        (("--out", model, "--checkpoint", tmp_path, "--resume"), "is a folder; name a file"),
    ):
        monkeypatch.setattr(sys, "argv", ["train", "--store", str(tmp_path / "made"), *map(str, words)])
        assert main() in (1, 2, 5)
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ")
        assert said in line
        assert "free disk space" not in line
    assert not model.exists()


def test_an_interrupt_is_a_line_and_130(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "_train", interrupted)
    monkeypatch.setattr(sys, "argv", ["train", "--store", "crops", "--out", str(tmp_path / "model")])
    assert main() == 130
    assert capsys.readouterr().err.startswith("interrupted; --resume")
