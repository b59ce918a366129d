"""The loop: it learns, repeats itself, goes on after an interruption, stops, and says what went wrong."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from models.checkpoint import CheckpointError
from models.crop_store import CropStore
from models.network import BoneNet
from models.train_params import TrainParams
from models.training import TrainedModel, TrainingDivergedError, fit
from models.training_history import EpochRecord
from models.training_run import TrainingRun
from tests.crop_store_factory import make_store

QUICK = TrainParams(arch="resnet18", epochs=3, batch=16, threads=1, checkpoint_every=1, learning_rate=3e-4)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> CropStore:
    return make_store(tmp_path_factory.mktemp("store") / "crops", patients=10, pixels=24, offsets_mm=(0.0,))


@pytest.fixture(scope="module")
def trained(store: CropStore) -> TrainedModel:
    return fit(store, QUICK)


class Recorder:
    def __init__(self, stop_after: int = 99) -> None:
        self.begun: tuple[int, int, int, str] | None = None
        self.batches: list[tuple[int, int]] = []
        self.records: list[EpochRecord] = []
        self.stop_after = stop_after

    def started(self, epochs: int, batches: int, crops: int, device: str) -> None:
        self.begun = (epochs, batches, crops, device)

    def batch(self, epoch: int, batch: int, loss: float) -> None:
        if epoch > self.stop_after:
            raise KeyboardInterrupt
        self.batches.append((epoch, batch))

    def epoch(self, record: EpochRecord) -> None:
        self.records.append(record)


def same_weights(first: TrainedModel, second: TrainedModel) -> bool:
    ours, others = first.network.state_dict(), second.network.state_dict()
    return all(torch.equal(value, others[name]) for name, value in ours.items())


def test_same_seed_same_weights_whatever_was_drawn_before(store: CropStore, trained: TrainedModel) -> None:
    torch.manual_seed(99)
    torch.rand(5)
    state = torch.get_rng_state()
    again = fit(store, QUICK)
    assert same_weights(trained, again)
    assert torch.equal(torch.get_rng_state(), state), "training must not move the caller's random numbers"


def test_calibration_and_test_are_never_looked_at(store: CropStore, trained: TrainedModel) -> None:
    index = store.index.copy()
    index.loc[index["split"].isin(["calibration", "test"]), ["bmd_g_cm2", "tbs", "kvp"]] = np.nan
    assert same_weights(trained, fit(dataclasses.replace(store, index=index), QUICK))


def test_progress_is_told_batch_by_batch(store: CropStore) -> None:
    recorder = Recorder()
    fit(store, QUICK.model_copy(update={"epochs": 1}), reporter=recorder)
    assert recorder.begun == (1, 2, 24, "cpu")  # 6 train patients x 4 levels
    assert recorder.batches == [(1, 1), (1, 2)]
    assert [record.epoch for record in recorder.records] == [1]


def test_an_interrupted_training_goes_on_to_the_same_weights(
    store: CropStore, trained: TrainedModel, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "state" / "checkpoint.pt"
    with pytest.raises(KeyboardInterrupt):
        fit(store, QUICK, reporter=Recorder(stop_after=2), checkpoint=checkpoint)
    recorder = Recorder()
    resumed = fit(store, QUICK, reporter=recorder, checkpoint=checkpoint, resume=True)
    assert recorder.batches == [(3, 1), (3, 2)], "only the epoch that was missing"
    assert same_weights(trained, resumed)
    assert [r.validation_loss for r in resumed.history] == [r.validation_loss for r in trained.history]
    assert [path.name for path in checkpoint.parent.iterdir()] == ["checkpoint.pt"]

    with pytest.raises(CheckpointError, match=r"of other train parameters \(dropout 0\.2, here 0\.1\)"):
        fit(store, QUICK.model_copy(update={"dropout": 0.1}), checkpoint=checkpoint, resume=True)
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt: not a checkpoint") as caught:
        fit(store, QUICK, checkpoint=checkpoint, resume=True)
    assert "\n" not in str(caught.value)


def test_a_loss_that_is_no_number_names_epoch_and_batch(
    store: CropStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0
    standardised = BoneNet.standardised

    def fails_at_the_second_call(
        self: BoneNet, crops: torch.Tensor, acquisition: torch.Tensor
    ) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return standardised(self, crops, acquisition) * (float("nan") if calls == 2 else 1.0)

    monkeypatch.setattr(BoneNet, "standardised", fails_at_the_second_call)
    with pytest.raises(
        TrainingDivergedError, match=r"loss is nan in epoch 1, batch 2; lower train\.learning_rate"
    ):
        fit(store, QUICK)


def test_training_stops_when_validation_no_longer_improves(
    store: CropStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([0.5, 0.4, 0.6, 0.7, 0.1, 0.1])

    def validated(self: object, epoch: int, train_loss: float, rate: float, begun: float) -> EpochRecord:
        mae = {"bmd_g_cm2": 0.1, "tbs": 0.1}
        return EpochRecord(
            epoch=epoch,
            train_loss=1,
            validation_loss=next(losses),
            validation_mae=mae,
            learning_rate=rate,
            seconds=1,
        )

    monkeypatch.setattr(TrainingRun, "_validated", validated)
    model = fit(store, QUICK.model_copy(update={"epochs": 6, "patience": 2}))
    assert len(model.history) == 4
    assert model.best_epoch == 2


def test_the_convolutions_learn_what_is_in_the_crops(tmp_path: Path) -> None:
    """Without the regression to start from, and against the error of always answering the mean."""
    store = make_store(tmp_path / "crops", patients=80, pixels=24, offsets_mm=(-4.0, 4.0))
    params = QUICK.model_copy(
        update={"epochs": 10, "linear_start": False, "learning_rate": 2e-3, "ema_decay": 0.9}
    )
    model = fit(store, params)
    assert model.history[model.best_epoch - 1].validation_loss < 0.6 * model.history[0].validation_loss
    labels = store.index.loc[store.index["split"] == "validation", ["bmd_g_cm2", "tbs"]]
    constant = (
        (labels - store.index.loc[store.index["split"] == "train", ["bmd_g_cm2", "tbs"]].mean()).abs().mean()
    )
    best = model.history[model.best_epoch - 1].validation_mae
    assert best["bmd_g_cm2"] < 0.8 * constant["bmd_g_cm2"]
    assert best["tbs"] < 0.9 * constant["tbs"]


def test_threads_are_put_back(store: CropStore) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        fit(store, QUICK.model_copy(update={"epochs": 1, "threads": 1}))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_the_kept_weights_are_the_averaged_ones_of_the_best_epoch(trained: TrainedModel) -> None:
    best = min(trained.history, key=lambda record: record.validation_loss)
    assert trained.best_epoch == best.epoch
    assert not trained.network.training
    assert {parameter.device.type for parameter in trained.network.parameters()} == {"cpu"}
