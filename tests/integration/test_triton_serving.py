"""The real tritonserver: publish, serve, replace, roll back, and never a moment without the old version."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import psutil
import pytest

from components.deploy_triton import repository as model_repository
from components.deploy_triton import server
from components.deploy_triton.champion import place_champion, verify_champion
from components.deploy_triton.client import CROPS_PER_REQUEST, MODEL_NAME, TritonClient
from components.deploy_triton.errors import (
    DeploymentError,
    TritonInstallationError,
    TritonRefusedError,
    TritonUnavailableError,
)
from components.deploy_triton.mlflow_registry import MlflowRegistry
from components.deploy_triton.promote import CANDIDATE
from components.deploy_triton.server_environment import ensure_environment
from tests.integration.tiny_bundle import by_hand, crops_of, tiny_graph
from tests.integration.triton_place import ENVIRONMENT, PARAMS, Place, constant_requests

pytestmark = pytest.mark.integration


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
