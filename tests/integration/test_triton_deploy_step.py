"""The deploy step whole: a network of ours, exported, registered, served by the real tritonserver, rolled back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from components.deploy_triton import bundle, server
from components.deploy_triton.bundle import GeometryConflictError, ParityError
from components.deploy_triton.client import TritonClient
from components.deploy_triton.errors import TritonInstallationError
from components.deploy_triton.golden import golden_inputs
from components.deploy_triton.mlflow_registry import MlflowRegistry
from components.deploy_triton.params import DeployParams, Ports
from components.deploy_triton.run import RESULT_FILE, DeployResult, run
from components.deploy_triton.server_environment import ensure_environment
from models.artefact import load_model, save_model
from models.crop_store import CropStore
from models.decision import Cutoffs, DecisionRules, Geometry, Reference, Versions, write_rules
from models.network import BoneNet
from models.train_params import TrainParams
from models.training import TrainedModel
from pipelines.cli import serve
from tests.crop_store_factory import make_store

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / ".venv-triton"
PARAMS = DeployParams(ports=Ports(http=0, grpc=0, metrics=0))


@dataclass
class Place:
    """A runtime home with a crop store; `deploy` runs the step."""

    tmp: Path
    store: CropStore

    @property
    def home(self) -> Path:
        return self.tmp / "home"

    @property
    def mlflow_uri(self) -> str:
        return f"sqlite:///{self.home / 'mlflow.db'}"

    def model(self, seed: int) -> Path:
        """An untrained network whose answers are near a vertebra's."""
        torch.manual_seed(seed)
        params = TrainParams(arch="resnet18")
        geometry = self.store.header.geometry
        network = BoneNet(params.network(geometry)).eval()
        network.label_mean.copy_(torch.tensor([0.95, 1.3]))
        network.label_std.copy_(torch.tensor([0.15, 0.1]))
        network.deep.weight.data.normal_(std=0.05)
        trained = TrainedModel(
            network=network,
            params=params,
            geometry=geometry,
            data_version="synthetic",
            data_kind="simulated",
            history=(),
            best_epoch=1,
            patients={},
            device="cpu",
            seconds=0.0,
            crops_per_second=0.0,
        )
        folder = self.tmp / f"model-{seed}"
        save_model(trained, folder, git_commit=None)
        return folder

    def decision(self, pixels: int) -> Path:
        file = self.tmp / f"decision-{pixels}.json"
        rules = DecisionRules(
            schema_version=1,
            data_kind="simulated",
            cutoffs=Cutoffs(0.9, 0.8, 1.3),
            flag_on=("osteoporosis",),
            bmd_half_width_g_cm2=0.1,
            tbs_half_width=0.1,
            interval_coverage=0.9,
            reference=Reference("test", 1.047, 0.11, -1.0, -2.5, 1.31),
            geometry=Geometry(pixels, 64.0, 3, 2.0, 6.0),
            versions=Versions("d", "c", "p", "m"),
            vendors=("GE",),
            kvp_minimum=80.0,
            kvp_maximum=140.0,
        )
        write_rules(rules, file)
        return file

    def deploy(self, model: Path, params: DeployParams = PARAMS, pixels: int = 32) -> DeployResult:
        return run(
            model=model,
            decision=self.decision(pixels),
            store=self.tmp / "store",
            repository=self.home / "model_repository",
            home=self.home,
            environment=ENVIRONMENT,
            mlflow_uri=self.mlflow_uri,
            params=params,
            out=self.tmp / "out",
            git_commit="abc",
        )

    def answers(self, url: str) -> tuple[str, np.ndarray]:
        crops, acquisition = self.inputs()
        with TritonClient(url) as client:
            answer = client.predict(crops, acquisition)
        return answer.model_version, np.stack([answer.bmd_g_cm2, answer.tbs], axis=1)

    def inputs(self) -> tuple[np.ndarray, np.ndarray]:
        return golden_inputs(self.store, np.arange(5, 25, dtype=np.intp))

    def torch_answers(self, model: Path) -> np.ndarray:
        crops, acquisition = self.inputs()
        with torch.inference_mode():
            outputs = load_model(model).network(torch.from_numpy(crops), torch.from_numpy(acquisition))
        return torch.cat(outputs, dim=1).numpy()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    try:
        ensure_environment(ENVIRONMENT)
    except TritonInstallationError as error:
        pytest.skip(f"no tritonserver here: {error}")
    tmp = tmp_path_factory.mktemp("deploy")
    made = Place(tmp, make_store(tmp / "store", patients=10, pixels=32))
    yield made
    server.stop_triton(made.home)


def command(place: Place, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str]:
    monkeypatch.setenv("OSTEOGATE_ROOT", str(ROOT))
    monkeypatch.setenv("OSTEOGATE_HOME", str(place.home))
    result = CliRunner().invoke(serve.app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


def test_deploy_serves_what_torch_computes_and_can_be_rolled_back(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_model, second_model = place.model(1), place.model(2)

    first = place.deploy(first_model)
    assert (first.version, first.previous, first.alias) == (1, None, "champion")
    assert first.parity["bmd_max_abs_g_cm2"] < PARAMS.parity_bmd_g_cm2
    assert json.loads((place.tmp / "out" / RESULT_FILE).read_text())["version"] == 1
    assert [path.name for path in (place.tmp / "out").iterdir()] == [RESULT_FILE]
    version, values = place.answers(first.url)
    assert version == "1"
    np.testing.assert_allclose(values, place.torch_answers(first_model), atol=1e-4)

    second = place.deploy(second_model)
    assert (second.version, second.previous, second.url) == (2, 1, first.url)
    version, values = place.answers(second.url)
    assert version == "2"
    np.testing.assert_allclose(values, place.torch_answers(second_model), atol=1e-4)

    code, text = command(place, monkeypatch, "status", "--json")
    assert code == 0
    assert '"version": "2"' in text
    assert '"answers": true' in text

    code, text = command(place, monkeypatch, "rollback")
    assert code == 0
    assert text.endswith("champion is version 1 again (was 2)\n")
    version, values = place.answers(second.url)
    assert version == "1"
    np.testing.assert_allclose(values, place.torch_answers(first_model), atol=1e-4)

    assert command(place, monkeypatch, "stop")[1].endswith("stopped\n")
    assert command(place, monkeypatch, "status")[0] == 5
    code, text = command(place, monkeypatch, "start", "--port", "0")
    assert code == 0
    assert "serving osteogate version 1; golden inference agrees" in text


def test_export_that_differs_from_torch_is_not_deployed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The graph of version 1 comes out for the weights of another model."""
    before = MlflowRegistry(place.mlflow_uri).version_of("champion")
    other = place.home / "model_repository" / "osteogate" / "1" / "model.onnx"

    def wrong_export(model: Path, out_file: Path) -> Path:
        return Path(shutil.copyfile(other, out_file))

    monkeypatch.setattr(bundle, "export_onnx", wrong_export)
    with pytest.raises(ParityError, match="nothing was deployed"):
        place.deploy(place.model(3))
    assert MlflowRegistry(place.mlflow_uri).version_of("champion") == before


def test_rules_of_another_crop_geometry_are_refused(place: Place) -> None:
    with pytest.raises(GeometryConflictError, match="geometry"):
        place.deploy(place.model(4), pixels=64)
