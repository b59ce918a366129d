"""A training that is killed, diverges, is shared or stopped early; and that its switches do what they say."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from models.checkpoint import CheckpointError, identity, load_checkpoint, save_checkpoint
from models.crop_store import CropStore
from models.dataset import CropDataset
from models.errors import ParameterError
from models.network import BoneNet
from models.optimisation import Optimisation
from models.processes import Processes
from models.training import TrainingDivergedError, fit
from tests.small_training import QUICK, prepared, with_

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures("one_thread")


KILLED = """
import sys, time
from pathlib import Path
from models.crop_store import open_crop_store
from models.train_params import TrainParams
from models.training import fit

class Slow:
    def started(self, *facts): pass
    def epoch(self, record): pass
    def batch(self, epoch, batch, loss):
        if (epoch, batch) == (3, 1):
            Path(sys.argv[4]).touch()
            time.sleep(600)

params = TrainParams.model_validate_json(sys.argv[2])
fit(open_crop_store(Path(sys.argv[1])), params, reporter=Slow(), checkpoint=Path(sys.argv[3]))
"""


def test_killed_in_the_middle_of_an_epoch_it_ends_as_if_it_never_was(
    small_store: CropStore, tmp_path: Path
) -> None:
    """kill -9 after the first of two steps of epoch 3, everything random on; then `resume`: bit for bit."""
    checkpoint, marker = tmp_path / "state.pt", tmp_path / "in-epoch-3"
    folder = Path(str(small_store.hu.filename)).parent  # type: ignore[attr-defined]
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(folder), QUICK.model_dump_json(), str(checkpoint), str(marker)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    whole = fit(small_store, QUICK)
    deadline = time.monotonic() + 240
    while not marker.exists():
        assert process.poll() is None, "the training ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL
    epochs: list[int] = []

    class Listener:
        def started(self, epochs: int, batches: int, crops: int, device: str) -> None: ...

        def batch(self, epoch: int, batch: int, loss: float) -> None:
            epochs.append(epoch)

        def epoch(self, record: object) -> None: ...

    resumed = fit(small_store, QUICK, reporter=Listener(), checkpoint=checkpoint, resume=True)
    assert epochs == [3, 3], "the epoch that was cut short is trained again, the others are not"
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name
    timeless = {"seconds"}
    assert [record.model_dump(exclude=timeless) for record in resumed.history] == [
        record.model_dump(exclude=timeless) for record in whole.history
    ]
    assert resumed.best_epoch == whole.best_epoch


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"arch": "resnet50"}, r"of another architecture \(arch resnet18, here resnet50\)"),
        ({"learning_rate": 1e-3}, r"of other train parameters \(learning_rate 0\.0003, here 0\.001\)"),
        (
            {"augmentation": QUICK.augmentation.model_copy(update={"blur_mm": 0.1})},
            r"of other train parameters \(augmentation\.blur_mm 0\.5, here 0\.1\)",
        ),
    ],
)
def test_a_checkpoint_of_another_training_is_refused_with_the_reason(
    small_store: CropStore, tmp_path: Path, change: dict[str, object], said: str
) -> None:
    checkpoint = tmp_path / "state.pt"
    run = prepared(small_store, QUICK)
    save_checkpoint(checkpoint, run.state())
    with pytest.raises(CheckpointError, match=said) as caught:
        fit(small_store, with_(**change), checkpoint=checkpoint, resume=True)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_of_other_data_or_processes_is_refused(small_store: CropStore, tmp_path: Path) -> None:
    checkpoint = tmp_path / "state.pt"
    save_checkpoint(checkpoint, prepared(small_store, QUICK).state())
    other = dataclasses.replace(
        small_store, index=small_store.index.assign(tbs=small_store.index["tbs"] + 0.01)
    )
    with pytest.raises(CheckpointError, match=r"of other data \(version synthetic, here synthetic\)"):
        fit(other, QUICK, checkpoint=checkpoint, resume=True)
    expected = identity(small_store, QUICK, processes=2)
    with pytest.raises(CheckpointError, match=r"of 1 processes \(here 2\)"):
        load_checkpoint(checkpoint, expected)
    assert load_checkpoint(checkpoint, identity(small_store, with_(patience=1, threads=2)))


@pytest.mark.parametrize("broken", ["loss", "gradient"])
def test_what_is_no_number_stops_training_and_its_batch_is_kept(
    small_store: CropStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """The second step's outputs, or only their gradient, become NaN."""
    standardised, calls = BoneNet.standardised, 0

    def fails(self: BoneNet, crops: torch.Tensor, acquisition: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        outputs = standardised(self, crops, acquisition)
        calls += 1
        if calls != 2:
            return outputs
        if broken == "gradient":
            outputs.register_hook(lambda gradient: gradient * float("nan"))
            return outputs
        return outputs * float("nan")

    monkeypatch.setattr(BoneNet, "standardised", fails)
    with pytest.raises(
        TrainingDivergedError,
        match=rf"training: {broken} is nan in epoch 1, batch 2; lower .*kept in (.*npz)",
    ) as caught:
        fit(small_store, QUICK, checkpoint=tmp_path / "state.pt")
    assert "\n" not in str(caught.value)
    file = Path(str(caught.value).rpartition("kept in ")[2])
    kept = np.load(file, allow_pickle=False)
    assert set(kept.files) == {
        "crops", "augmented", "acquisition", "labels", "rows", "epoch", "batch",
    }  # fmt: skip
    assert (int(kept["epoch"]), int(kept["batch"])) == (1, 2)
    rows = kept["rows"]
    assert len(rows) == 8  # 24 train crops, 16 a batch
    assert np.array_equal(kept["crops"], small_store.hu[rows])
    assert kept["augmented"].shape == kept["crops"].shape
    assert kept["labels"] == pytest.approx(small_store.index.loc[rows, ["bmd_g_cm2", "tbs"]].to_numpy())
    for patient in small_store.index["patient"].unique():
        assert patient.encode() not in file.read_bytes()


def test_a_validation_that_is_never_a_number_is_said(
    small_store: CropStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        BoneNet, "standardised", lambda self, crops, facts: self.deep.bias.expand(len(crops), 2)
        * (1.0 if self.training else float("nan")),
    )  # fmt: skip
    monkeypatch.setattr(nn.utils, "clip_grad_norm_", lambda parameters, most: torch.tensor(1.0))
    with pytest.raises(TrainingDivergedError, match="validation loss was never a number in 3 epochs"):
        fit(small_store, QUICK)


def test_a_batch_that_cannot_be_shared_is_refused(small_store: CropStore) -> None:
    with pytest.raises(
        ParameterError,
        match=r"train\.batch: 16 crops for 9 processes of 1 micro-batches; accepted: at least 18",
    ):
        fit(small_store, QUICK, processes=Processes(0, 9, torch.device("cpu")))


def test_the_parts_of_an_epoch_are_its_batches(small_store: CropStore) -> None:
    dataset = CropDataset(small_store, ("train",))
    whole = [sorted(batch.rows) for batch in dataset.shuffled(10, 3, 1)]
    parts = [list(dataset.shuffled(10, 3, 1, part=part, parts=2)) for part in (0, 1)]
    assert [sorted([*a.rows, *b.rows]) for a, b in zip(*parts, strict=True)] == whole
    assert [len(batch.rows) for batch in parts[0]] == [5, 5, 2]
    assert dataset.batches(10, 2) == 3
    assert dataset.batches(21, 2) == 1  # the rest of three cannot be shared by two
    assert len(list(dataset.shuffled(21, 3, 1, part=1, parts=2))) == 1


def test_steps_taken_ahead_as_on_a_gpu_change_no_loss_and_name_the_right_batch(
    small_store: CropStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for ahead in (0, 1):
        run = prepared(small_store, with_(batch=5))
        run.steps_ahead = ahead
        torch.manual_seed(0)
        run.network.train()
        found.append([(s.number, float(s.loss)) for s in run.steps(torch.Generator().manual_seed(0))])
    assert found[0] == found[1]
    assert [number for number, _ in found[0]] == [1, 2, 3, 4, 5]  # 24 crops

    taken, calls = Optimisation.step, 0

    def third_fails(self: Optimisation, *tensors: object) -> tuple[torch.Tensor, torch.Tensor]:
        nonlocal calls
        calls += 1
        loss, norm = taken(self, *tensors)  # type: ignore[arg-type]
        return (loss * float("nan") if calls == 3 else loss), norm

    monkeypatch.setattr(Optimisation, "step", third_fails)
    with pytest.raises(TrainingDivergedError, match="epoch 1, batch 3;"):
        run._one_epoch(1, None)
    assert calls == 4, "one step was ahead of the loss that was read"
