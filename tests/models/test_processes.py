"""Two gloo processes against one: the same gradients, the same model in both, a result as good."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from models.artefact import load_model
from models.crop_store import CropStore, open_crop_store
from models.dataset import CropDataset
from models.errors import ParameterError
from models.prediction import predict_store
from models.processes import SINGLE, torchrun_processes
from models.train_params import AugmentationParams, TrainParams
from models.training import fit
from models.training_run import TrainingRun
from tests.crop_store_factory import make_store

ROOT = Path(__file__).resolve().parents[2]
NONE = AugmentationParams(shift_mm=0, hu_offset=0, hu_scale=0, noise_hu=0, mirror=False)

STEP = """
import sys
from pathlib import Path
import torch
from models.crop_store import open_crop_store
from models.dataset import CropDataset
from models.processes import torchrun_processes
from models.train_params import AugmentationParams, TrainParams
from models.training_run import TrainingRun

params = TrainParams(
    arch="resnet18", batch=13, precision="fp32", clip_norm=1e9, dropout=0.0,
    augmentation=AugmentationParams(shift_mm=0, hu_offset=0, hu_scale=0, noise_hu=0, mirror=False),
)
torch.set_num_threads(1)
store = open_crop_store(Path(sys.argv[1]))
with torchrun_processes("cpu") as processes:
    train, validation = CropDataset(store, ("train",)), CropDataset(store, ("validation",))
    run = TrainingRun(store, params, train, validation, torch.device("cpu"), processes, None)
    run.network.deep.weight.data.normal_(std=0.05, generator=torch.Generator().manual_seed(1))
    for module in run.network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.fill_(0.7)  # the last of every block begins at 0 and would pass nothing back
    run.network.eval()  # batch normalisation frozen
    part, parts = processes.rank, processes.count
    batch = next(train.shuffled(params.batch, 0, 1, part=part, parts=parts))
    run._step(1, batch, torch.Generator().manual_seed(0))
    gradients = {name: p.grad for name, p in run.network.named_parameters()}
    torch.save({"rows": batch.rows.tolist(), "gradients": gradients}, f"{sys.argv[2]}/{parts}-{part}.pt")
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> CropStore:
    return make_store(tmp_path_factory.mktemp("store") / "crops", patients=10, pixels=24, offsets_mm=(0.0,))


def folder_of(store: CropStore) -> str:
    return str(Path(str(store.hu.filename)).parent)  # type: ignore[attr-defined]


def test_two_processes_have_the_gradients_of_one(store: CropStore, tmp_path: Path) -> None:
    """13 crops as 7 and 6, batch normalisation frozen.

    The order of summation differs, nothing else: float32 carries 6e-8 of relative rounding, which a backward
    pass of some twenty layers gathers; 1e-5 of a gradient's length is allowed (7e-7 was seen).
    """
    ports = {1: "", 2: str(free_port())}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", STEP, folder_of(store), str(tmp_path)],
            cwd=ROOT,
            env={
                **os.environ, "OMP_NUM_THREADS": "1", "WORLD_SIZE": str(count), "RANK": str(rank),
                "LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": ports[count],
            },
        )
        for count, rank in ((1, 0), (2, 0), (2, 1))
    ]  # fmt: skip
    assert [process.wait(300) for process in running] == [0, 0, 0]
    one, first, second = (torch.load(tmp_path / f"{name}.pt") for name in ("1-0", "2-0", "2-1"))
    assert sorted(first["rows"] + second["rows"]) == sorted(one["rows"])
    assert (len(first["rows"]), len(second["rows"])) == (7, 6)
    for name, gradient in one["gradients"].items():
        size = float(gradient.norm())
        assert size > 0, name
        assert float((first["gradients"][name] - gradient).norm()) <= 1e-5 * size, name
        assert torch.equal(first["gradients"][name], second["gradients"][name]), name


def test_one_process_is_the_main_one_and_hears_itself() -> None:
    with torchrun_processes() as processes:
        assert processes is SINGLE
    assert SINGLE.main
    assert SINGLE.told_by_main("x") == "x"
    assert SINGLE.summed(1.5, 2.0) == (1.5, 2.0)


def test_a_process_without_a_gpu_of_its_own_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WORLD_SIZE": "4", "RANK": "3", "LOCAL_RANK": "3"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with (
        pytest.raises(ParameterError, match=r"process 4 of this machine has no GPU .*\(2 present\)"),
        torchrun_processes("cuda"),
    ):
        pass


@pytest.mark.parametrize("micro_batches", [1, 2, 3])
def test_micro_batches_add_up_to_the_gradient_of_the_whole(store: CropStore, micro_batches: int) -> None:
    """Batch normalisation frozen; 13 crops as 7 and 6, or 5, 4 and 4."""
    found = []
    for parts in (1, micro_batches):
        params = TrainParams(
            arch="resnet18", batch=13, micro_batches=parts, precision="fp32", clip_norm=1e9, dropout=0.0,
            threads=1, augmentation=NONE,
        )  # fmt: skip
        train, validation = CropDataset(store, ("train",)), CropDataset(store, ("validation",))
        run = TrainingRun(store, params, train, validation, torch.device("cpu"), SINGLE, None)
        run.network.deep.weight.data.normal_(std=0.05, generator=torch.Generator().manual_seed(1))
        run.network.eval()
        batch = next(train.shuffled(13, 0, 1))
        loss, norm = run.optimisation.step(batch.crops, batch.acquisition, batch.labels)
        found.append((float(loss), float(norm), run.network.deep.weight.grad))
    (loss, norm, gradient), (of_parts, norm_of_parts, gradient_of_parts) = found
    assert of_parts == pytest.approx(loss, rel=1e-5)
    assert norm_of_parts == pytest.approx(norm, rel=1e-4)
    assert float((gradient_of_parts - gradient).norm()) <= 1e-5 * float(gradient.norm())


def test_a_batch_too_small_for_its_micro_batches_is_refused(store: CropStore) -> None:
    with pytest.raises(ParameterError, match="1 processes of 4 micro-batches; accepted: at least 8"):
        fit(store, TrainParams(arch="resnet18", batch=7, micro_batches=4))


@pytest.mark.long
def test_torchrun_ends_where_one_process_does_and_the_main_one_alone_speaks(tmp_path: Path) -> None:
    """One process with the two's micro-batches, and without what each draws for itself (augmentation, dropout)."""
    store = make_store(tmp_path / "crops", patients=160, pixels=24, offsets_mm=(0.0,))
    document = yaml.safe_load((ROOT / "params.yaml").read_text())
    document["train"] |= {"arch": "resnet18", "epochs": 10, "batch": 48, "threads": 1, "device": "cpu"}
    document["train"] |= {
        "precision": "fp32",
        "dropout": 0.0,
        "patience": 10,
        "augmentation": NONE.model_dump(),
    }
    for name, parts in {"one": 2, "two": 1}.items():
        document["train"]["micro_batches"] = parts
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(document))
    words = ["-m", "components.train_resnet50", "--store", str(tmp_path / "crops")]
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(free_port())]
    found = {}
    for name, command in {"one": words, "two": [*torchrun, *words]}.items():
        out = tmp_path / name / "model"
        done = subprocess.run(
            [sys.executable, *command, "--params", str(tmp_path / f"{name}.yaml"), "--out", str(out)],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert len([line for line in done.stdout.splitlines() if str(out) in line]) == 1
        assert done.stdout.count("epoch=10") + done.stderr.count("epoch=10") == 1
        table = predict_store(load_model(out), open_crop_store(tmp_path / "crops"), ("test",))
        found[name] = {
            column: float(np.corrcoef(table[column], table[f"{kind}_pred{unit}"])[0, 1])
            for column, kind, unit in (("bmd_g_cm2", "bmd", "_g_cm2"), ("tbs", "tbs", ""))
        }
    assert store.header.count > 0
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path / 'two' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("osteogate")
    assert experiment is not None
    assert [run.info.status for run in client.search_runs([experiment.experiment_id])] == ["FINISHED"]
    for column in ("bmd_g_cm2", "tbs"):
        assert found["one"][column] > 0.5, "there is something to agree on"
        assert found["two"][column] == pytest.approx(found["one"][column], abs=0.02), found
