"""The real tritonserver: publish, serve, replace, roll back, and never a moment without the old version."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import psutil
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import models.decision
from components.deploy_triton import repository as model_repository
from components.deploy_triton import server
from components.deploy_triton.champion import CHAMPION, place_champion, verify_champion
from components.deploy_triton.client import CROPS_PER_REQUEST, MODEL_NAME, TritonClient
from components.deploy_triton.errors import (
    DeploymentError,
    TritonAnswerError,
    TritonInstallationError,
    TritonRefusedError,
    TritonUnavailableError,
)
from components.deploy_triton.golden import GoldenSet, write_golden
from components.deploy_triton.mlflow_registry import MlflowRegistry
from components.deploy_triton.params import DeployParams, Ports
from components.deploy_triton.promote import CANDIDATE, promote
from components.deploy_triton.server_environment import ensure_environment
from models.artefact import ModelCard
from models.crop_store import CropGeometry
from models.network import NetworkConfig
from models.train_params import TrainParams
from monitoring.service import ServiceState

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / ".venv-triton"
SLICES, PIXELS = 3, 8
PARAMS = DeployParams(ports=Ports(http=0, grpc=0, metrics=0), client_timeout_s=10.0, client_retries=2)

MakeBundle = Callable[..., Path]


def tiny_graph(slope: float, *, not_a_number: bool = False, output: str = "tbs") -> onnx.ModelProto:
    """BMD = slope * mean HU + mean(acquisition) / 100; TBS = BMD + 1, with the interface of the real model."""
    nodes = [
        helper.make_node("Cast", ["crops"], ["hu"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["hu"], ["mean_hu"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["mean_hu", "slope"], ["scaled"]),
        helper.make_node("ReduceMean", ["acquisition"], ["facts"], axes=[1], keepdims=0),
        helper.make_node("Mul", ["facts", "hundredth"], ["offset"]),
        helper.make_node("Add", ["scaled", "offset"], ["flat"]),
        helper.make_node("Unsqueeze", ["flat", "axis"], ["bmd_g_cm2"]),
        helper.make_node("Add", ["bmd_g_cm2", "one"], [output]),
    ]
    constants = {
        "slope": np.array(np.nan if not_a_number else slope, np.float32),
        "hundredth": np.array(0.01, np.float32),
        "axis": np.array([1], np.int64),
        "one": np.array(1.0, np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info("crops", TensorProto.INT16, ["N", SLICES, PIXELS, PIXELS]),
            helper.make_tensor_value_info("acquisition", TensorProto.FLOAT, ["N", 3]),
        ],
        [
            helper.make_tensor_value_info("bmd_g_cm2", TensorProto.FLOAT, ["N", 1]),
            helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", 1]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def crops_of(count: int, seed: int = 0) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    random = np.random.default_rng(seed)
    crops = random.integers(0, 1500, (count, SLICES, PIXELS, PIXELS)).astype(np.int16)
    return crops, np.tile(np.float32([120.0, 1.0, 0.7]), (count, 1))


def by_hand(crops: NDArray[np.int16], acquisition: NDArray[np.float32], slope: float) -> NDArray[np.float64]:
    """What the graph is defined to give, in float64."""
    return slope * crops.mean(axis=(1, 2, 3), dtype=np.float64) + acquisition.mean(axis=1) / 100


def write_bundle(folder: Path, slope: float, **graph: object) -> Path:
    folder.mkdir(parents=True)
    onnx.save(tiny_graph(slope, **graph), folder / "model.onnx")  # type: ignore[arg-type]
    rules = {
        "schema_version": 1,
        "data_kind": "simulated",
        "cutoffs": {"osteopenia_bmd_g_cm2": 0.9, "osteoporosis_bmd_g_cm2": 0.8, "impaired_tbs": 1.3},
        "flag_on": ["osteoporosis"],
        "bmd_half_width_g_cm2": 0.1,
        "tbs_half_width": 0.1,
        "interval_coverage": 0.9,
        "reference": {
            "name": "test",
            "peak_g_cm2": 1.047,
            "sd_g_cm2": 0.11,
            "osteopenia_t": -1.0,
            "osteoporosis_t": -2.5,
            "tbs_impaired_below": 1.31,
        },
        "geometry": {
            "pixels": PIXELS,
            "size_mm": 64.0,
            "slices": SLICES,
            "slice_spacing_mm": 2.0,
            "centre_shift_mm": 6.0,
        },
        "versions": {"data": "d", "code": "c", "params": "p", "model": "m"},
        "vendors": ["GE"],
        "kvp_minimum": 80.0,
        "kvp_maximum": 140.0,
        "minimum_age_years": 30.0,
        "z_score_under_years": 50.0,
        "minimum_levels": 2,
    }
    (folder / "decision.json").write_text(json.dumps(rules))
    shutil.copyfile(Path(models.decision.__file__), folder / "decision.py")
    (folder / "model.json").write_text(
        ModelCard(
            schema_version=1,
            architecture=NetworkConfig(
                arch="resnet18", slices=SLICES, pixels=16, size_mm=64.0, body_anterior_mm=6.0
            ),
            geometry=CropGeometry(
                pixels=PIXELS, size_mm=64.0, slices=SLICES, slice_spacing_mm=2.0, centre_shift_mm=6.0
            ),
            data_version="d",
            data_kind="simulated",
            params=TrainParams().model_dump(mode="json"),
            git_commit=None,
            weights_sha256=f"{slope}",
            best_epoch=0,
            patients={},
            standardisation={},
            torch_version="0",
        ).model_dump_json()
    )
    crops, acquisition = crops_of(4, seed=7)
    bmd = by_hand(crops, acquisition, slope)
    golden = GoldenSet(crops, acquisition, bmd.astype(np.float32), (bmd + 1).astype(np.float32))
    write_golden(golden, folder / "golden.npz")
    return folder


@dataclass
class Place:
    """One running server with its registry and repository."""

    home: Path
    repository: Path
    registry: MlflowRegistry
    state: ServiceState
    tmp: Path
    slopes: dict[int, float] = field(default_factory=dict)
    count: int = 0

    @property
    def url(self) -> str:
        return server.client_url(self.state)

    def client(self, **changes: object) -> TritonClient:
        values: dict[str, object] = {"timeout_s": 10.0, "retries": 2, "repository": self.repository}
        return TritonClient(self.url, **{**values, **changes})  # type: ignore[arg-type]

    def bundle(self, slope: float, **graph: object) -> Path:
        self.count += 1
        return write_bundle(self.tmp / f"bundle-{self.count}", slope, **graph)

    def promote(self, bundle: Path, slope: float = 0.0) -> int:
        done = promote(
            bundle=bundle,
            registry=self.registry,
            repository=self.repository,
            url=self.url,
            params=PARAMS,
            tags={"data_kind": "simulated"},
        )
        self.slopes[done.version] = slope
        return done.version

    def champion(self) -> int:
        version = self.registry.version_of(CHAMPION)
        assert version is not None
        return version


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    try:
        ensure_environment(ENVIRONMENT)
    except TritonInstallationError as error:
        pytest.skip(f"no tritonserver here: {error}")
    tmp = tmp_path_factory.mktemp("triton")
    home, repository = tmp / "home", tmp / "repository"
    registry = MlflowRegistry(f"sqlite:///{tmp / 'mlflow.db'}")
    state = server.start_triton(home=home, environment=ENVIRONMENT, repository=repository, params=PARAMS)
    try:
        made = Place(home, repository, registry, state, tmp)
        made.promote(made.bundle(0.001), 0.001)
        yield made
    finally:
        server.stop_triton(home)


@contextlib.contextmanager
def constant_requests(place: Place) -> Iterator[list[str]]:
    """Ask without a pause while the block runs; yields the failures, which must stay empty."""
    failures: list[str] = []
    answered: list[int] = []
    ended = threading.Event()
    crops, acquisition = crops_of(2)

    def ask() -> None:
        with place.client(retries=0) as client:
            while not ended.is_set():
                try:
                    answer = client.predict(crops, acquisition)
                    slope = place.slopes.get(int(answer.model_version))
                    if slope is not None and not np.allclose(
                        answer.bmd_g_cm2, by_hand(crops, acquisition, slope), atol=1e-5
                    ):
                        failures.append(f"version {answer.model_version} answered wrongly")
                    answered.append(1)
                except (TritonUnavailableError, TritonAnswerError) as error:
                    failures.append(str(error))
                time.sleep(0.005)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield failures
        patience = (
            time.monotonic() + 30
        )  # a loaded machine answers fewer: go on asking rather than ask for less
        while len(answered) <= 20 and time.monotonic() < patience:
            time.sleep(0.05)
    finally:
        ended.set()
        thread.join(timeout=30)
    assert len(answered) > 20


def test_answers_are_exactly_those_of_onnx_runtime(place: Place) -> None:
    crops, acquisition = crops_of(CROPS_PER_REQUEST + 5)  # more than one request
    version = str(place.champion())
    with place.client() as client:
        answer = client.predict(crops, acquisition)
        assert client.model_metadata()["name"] == MODEL_NAME
        folder = client.decision_folder(answer.model_version)
    assert answer.model_version == version
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    bmd, tbs = session.run(["bmd_g_cm2", "tbs"], {"crops": crops, "acquisition": acquisition})
    np.testing.assert_array_equal(answer.bmd_g_cm2, bmd[:, 0])
    np.testing.assert_array_equal(answer.tbs, tbs[:, 0])
    np.testing.assert_allclose(
        answer.bmd_g_cm2, by_hand(crops, acquisition, place.slopes[int(version)]), atol=1e-5
    )


def test_second_version_takes_over_without_a_failed_request(place: Place) -> None:
    first = place.champion()
    with constant_requests(place) as failures:
        second = place.promote(place.bundle(0.002), 0.002)
    assert failures == []
    assert second > first
    assert place.champion() == second
    with place.client() as client:
        assert client.predict(*crops_of(1)).model_version == str(second)
        assert client.predict(*crops_of(1), version=str(first)).model_version == str(first)


@pytest.mark.parametrize("fault", ["corrupt", "not a number", "other outputs", "wrong values"])
def test_broken_version_is_never_served(place: Place, fault: str) -> None:
    champion = place.champion()
    if fault == "not a number":
        bundle = place.bundle(0.003, not_a_number=True)
    elif fault == "other outputs":
        bundle = place.bundle(0.003, output="score")
    else:
        bundle = place.bundle(0.003)
    if fault == "corrupt":
        whole = (bundle / "model.onnx").read_bytes()
        (bundle / "model.onnx").write_bytes(whole[: len(whole) // 2])
    if fault == "wrong values":
        onnx.save(tiny_graph(0.0035), bundle / "model.onnx")
    with (
        constant_requests(place) as failures,
        pytest.raises(DeploymentError, match=f"version {champion} goes on serving"),
    ):
        place.promote(bundle)
    assert failures == []
    assert place.champion() == champion
    with place.client() as client:
        assert client.predict(*crops_of(1)).model_version == str(champion)
        assert str(champion) in client.loaded_versions()
    assert not (place.repository / CANDIDATE).exists()
    assert model_repository.versions(place.repository, MODEL_NAME)[-1] == champion


def test_version_that_fails_only_after_publication_is_taken_back(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    champion = place.champion()

    def refuse(alias: str, version: int) -> None:
        raise DeploymentError("the registry is read-only")

    monkeypatch.setattr(place.registry, "set_alias", refuse)
    with constant_requests(place) as failures, pytest.raises(DeploymentError, match="was taken back"):
        place.promote(place.bundle(0.002))
    assert failures == []
    with place.client() as client:
        assert client.predict(*crops_of(1)).model_version == str(champion)


def test_unfinished_newer_version_is_removed_when_the_champion_is_placed(place: Place) -> None:
    champion = place.champion()
    newer = champion + 50
    model_repository.publish(place.repository, MODEL_NAME, newer, place.bundle(0.009), PARAMS)
    assert place_champion(place.registry, place.repository, PARAMS, scratch=place.tmp / "scratch") == champion
    assert newer not in model_repository.versions(place.repository, MODEL_NAME)


def test_champion_comes_back_from_the_registry_into_an_empty_repository(place: Place) -> None:
    elsewhere = place.tmp / "elsewhere"
    version = place_champion(place.registry, elsewhere, PARAMS, scratch=place.tmp / "scratch")
    assert version == place.champion()
    ours = model_repository.version_folder(place.repository, MODEL_NAME, version) / "model.onnx"
    theirs = model_repository.version_folder(elsewhere, MODEL_NAME, version) / "model.onnx"
    assert ours.read_bytes() == theirs.read_bytes()


def test_crops_of_another_geometry_are_refused_by_the_server(place: Place) -> None:
    crops, acquisition = crops_of(1)
    with place.client() as client, pytest.raises(TritonRefusedError, match="unexpected shape"):
        client.predict(np.ascontiguousarray(crops[:, :, :4]), acquisition)


def test_dead_model_processes_are_noticed_and_recovered_by_a_golden_inference(place: Place) -> None:
    for child in psutil.Process(place.state.pid).children(recursive=True):
        child.kill()
    with place.client(retries=0) as client:
        with pytest.raises(TritonUnavailableError):
            client.predict(*crops_of(1))
        report = verify_champion(client, place.repository, place.champion(), PARAMS)
        assert report.crops == 4
        assert client.predict(*crops_of(1)).model_version == str(place.champion())


def test_taken_port_and_nothing_left_after_stop(place: Place) -> None:
    """A second server beside the first, on another port; killed, and cleaned up after."""
    home = place.tmp / "second"
    before = regions()
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        state = server.start_triton(
            home=home,
            environment=ENVIRONMENT,
            repository=place.repository,
            params=PARAMS,
            ports={"http": taken, "grpc": 0, "metrics": 0},
        )
    try:
        assert state.ports["http"] != taken
        with TritonClient(server.client_url(state), timeout_s=5.0, retries=0) as client:
            assert client.predict(*crops_of(1)).model_version == str(place.champion())
            assert regions() - before
            psutil.Process(state.pid).kill()
            with pytest.raises(TritonUnavailableError, match="osteogate serve start") as caught:
                client.predict(*crops_of(1))
        assert caught.value.exit_code == 5
        with pytest.raises(TritonUnavailableError, match="not running"):
            server.triton_url(home)
    finally:
        server.stop_triton(home)
    assert regions() - before == set()
    assert list((home / "servers").iterdir()) == []
    assert [p.pid for p in psutil.process_iter() if str(home) in " ".join(cmdline(p))] == []


def test_server_killed_in_the_middle_leaves_the_old_champion(place: Place) -> None:
    """Last, because it ends the module's server."""
    champion = place.champion()
    bundle = place.bundle(0.004)
    original = place.registry.register

    def killing(folder: Path, tags: dict[str, str]) -> int:
        version = original(folder, tags)
        psutil.Process(place.state.pid).kill()
        return version

    place.registry.register = killing  # type: ignore[method-assign]
    try:
        with pytest.raises(DeploymentError, match=f"version {champion} stays champion") as caught:
            place.promote(bundle)
    finally:
        place.registry.register = original  # type: ignore[method-assign]
    assert caught.value.exit_code == 5
    assert place.champion() == champion
    assert model_repository.versions(place.repository, MODEL_NAME)[-1] == champion
    place.state = server.start_triton(
        home=place.home, environment=ENVIRONMENT, repository=place.repository, params=PARAMS
    )
    with place.client() as client:
        verify_champion(client, place.repository, champion, PARAMS)
        assert client.predict(*crops_of(1)).model_version == str(champion)


def regions() -> set[str]:
    return {path.name for path in Path("/dev/shm").glob(f"{server.SHARED_MEMORY_PREFIX}*")}


def cmdline(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline() if process.uids().real == os.getuid() else []
    except psutil.Error:
        return []
