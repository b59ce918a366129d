"""The training loop: AdamW on one cycle, averaged weights, early stopping on validation patients."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from models.augmentation import augment
from models.averaging import AveragedWeights
from models.checkpoint import TrainingState, identity, load_checkpoint, save_checkpoint
from models.crop_store import CropGeometry, CropStore
from models.dataset import Batch, CropDataset, check_trainable
from models.device import autocast, choose_device
from models.errors import OsteoGateError
from models.network import BoneNet
from models.network_config import TARGETS
from models.standardisation import standardise_from
from models.train_params import TrainParams
from models.training_history import EpochRecord


class TrainingDivergedError(OsteoGateError):
    """The loss stopped being a number; the message names epoch and batch."""


class Reporter(Protocol):
    """Told of progress; epochs and batches count from 1."""

    def started(self, epochs: int, batches: int, crops: int, device: str) -> None: ...

    def batch(self, epoch: int, batch: int, loss: float) -> None: ...

    def epoch(self, record: EpochRecord) -> None: ...


@dataclass(frozen=True)
class TrainedModel:
    """The kept weights and how they came about.

    Attributes
    ----------
    network
        On the CPU, in evaluation mode.
    best_epoch
        Epoch (from 1) whose averaged weights are kept.
    patients
        Number of patients per split used.
    crops_per_second
        Of training alone, without validation.
    """

    network: BoneNet
    params: TrainParams
    geometry: CropGeometry
    data_version: str
    data_kind: str
    history: tuple[EpochRecord, ...]
    best_epoch: int
    patients: dict[str, int]
    device: str
    seconds: float
    crops_per_second: float


def fit(
    store: CropStore,
    params: TrainParams,
    *,
    device: str | None = None,
    reporter: Reporter | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
) -> TrainedModel:
    """Train on split train, stop on split validation; calibration and test are never looked at.

    Parameters
    ----------
    device
        Overrides `params.device`.
    checkpoint
        File to keep the state in every `params.checkpoint_every` epochs; removed is the caller's business.
    resume
        Continue from `checkpoint` if it exists; a resumed training ends with the weights of one that was
        never interrupted (same machine, CPU).

    Raises
    ------
    TrainingDataError
        The store cannot be trained on.
    TrainingDivergedError
        A loss that is not finite, with epoch and batch.
    CheckpointError
        The checkpoint is damaged or belongs to other data or parameters.
    ParameterError
        CUDA is asked for and there is none.
    """
    begun = perf_counter()
    train = CropDataset(store, ("train",))
    validation = CropDataset(store, ("validation",), middle_only=True)
    check_trainable(train, validation)
    place = choose_device(device or params.device)
    threads = torch.get_num_threads()
    if params.threads:
        torch.set_num_threads(params.threads)
    try:
        with torch.random.fork_rng(devices=[place] if place.type == "cuda" else []):
            run = _Run(store, params, train, validation, place)
            if resume and checkpoint is not None and checkpoint.exists():
                run.restore(load_checkpoint(checkpoint, run.identity))
            run.to_the_end(reporter, checkpoint)
    finally:
        torch.set_num_threads(threads)
    return TrainedModel(
        network=run.best_network(),
        params=params,
        geometry=store.header.geometry,
        data_version=store.header.data_version,
        data_kind=store.header.data_kind,
        history=tuple(run.history),
        best_epoch=run.best_epoch,
        patients={"train": len(train.patients), "validation": len(validation.patients)},
        device=place.type,
        seconds=perf_counter() - begun,
        crops_per_second=run.crops / max(run.train_seconds, 1e-9),
    )


class _Run:
    """The state of one training, from the first step or from a checkpoint."""

    def __init__(
        self,
        store: CropStore,
        params: TrainParams,
        train: CropDataset,
        validation: CropDataset,
        device: torch.device,
    ) -> None:
        self.params, self.train, self.validation, self.device = params, train, validation, device
        self.identity = identity(store, params)
        torch.manual_seed(params.seed)
        self.network = BoneNet(params.network(store.header.geometry))
        if params.weights_file is not None:
            self.network.load_pretrained(params.weights_file)
        standardise_from(self.network, train, linear_start=params.linear_start)
        self.network.to(device)
        self.network.backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averaged = AveragedWeights(self.network, params.ema_decay)
        self.optimizer = torch.optim.AdamW(
            _decayed_apart(self.network, params.weight_decay), params.learning_rate
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer,
            max_lr=params.learning_rate,
            total_steps=params.epochs * train.batches(params.batch),
            pct_start=params.warmup_share,
        )
        self.weights = torch.tensor([params.bmd_weight, params.tbs_weight], device=device)
        self.history: list[EpochRecord] = []
        self.best_epoch, self.best_loss = 0, math.inf
        self.best_state: dict[str, Tensor] = {}
        self.train_seconds, self.crops = 0.0, 0

    def to_the_end(self, reporter: Reporter | None, checkpoint: Path | None) -> None:
        batches = self.train.batches(self.params.batch)
        if reporter is not None:
            reporter.started(self.params.epochs, batches, len(self.train), self.device.type)
        for epoch in range(len(self.history) + 1, self.params.epochs + 1):
            if epoch - 1 - self.best_epoch >= self.params.patience:
                break
            self._one_epoch(epoch, reporter)
            last = epoch == self.params.epochs
            if checkpoint is not None and (last or epoch % self.params.checkpoint_every == 0):
                save_checkpoint(checkpoint, self.state())

    def _one_epoch(self, epoch: int, reporter: Reporter | None) -> None:
        # Everything random in an epoch follows from seed and epoch, so that a resumed run repeats it.
        torch.manual_seed(self.params.seed * 100_003 + epoch)
        generator = torch.Generator().manual_seed(self.params.seed * 100_003 + epoch)
        begun, total, seen = perf_counter(), 0.0, 0
        self.network.train()
        rate = float(self.schedule.get_last_lr()[0])
        for number, batch in enumerate(
            self.train.shuffled(self.params.batch, self.params.seed, epoch), start=1
        ):
            loss = self._step(batch, generator)
            if not math.isfinite(loss):
                raise TrainingDivergedError(
                    f"training: loss is {loss} in epoch {epoch}, batch {number}; "
                    f"lower train.learning_rate (now {self.params.learning_rate:g}) or check the crops"
                )
            total, seen = total + loss * len(batch.rows), seen + len(batch.rows)
            if reporter is not None:
                reporter.batch(epoch, number, loss)
        self.train_seconds, self.crops = self.train_seconds + perf_counter() - begun, self.crops + seen
        record = self._validated(epoch, total / seen, rate, begun)
        self.history.append(record)
        if record.validation_loss < self.best_loss:
            self.best_loss, self.best_epoch = record.validation_loss, epoch
            self.best_state = self.averaged.copy()
        if reporter is not None:
            reporter.epoch(record)

    def _step(self, batch: Batch, generator: torch.Generator) -> float:
        crops = augment(batch.crops.to(self.device), self.params.augmentation, generator)
        labels = self._standardised(batch.labels)
        with autocast(self.device, self.params.precision):
            outputs = self.network.standardised(crops, batch.acquisition.to(self.device))
        loss = (F.smooth_l1_loss(outputs.float(), labels, reduction="none") * self.weights).sum(1).mean()
        value = float(loss.detach())
        if math.isfinite(value):
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.params.clip_norm)
            self.optimizer.step()
            self.schedule.step()
            self.averaged.update(self.network)
        return value

    def _validated(self, epoch: int, train_loss: float, rate: float, begun: float) -> EpochRecord:
        outputs, labels = [], []
        with self.averaged.in_place_of(self.network), torch.inference_mode():
            for batch in self.validation.in_order(self.params.batch):
                with autocast(self.device, self.params.precision):
                    crops, facts = batch.crops.to(self.device), batch.acquisition.to(self.device)
                    outputs.append(self.network.standardised(crops, facts).float())
                labels.append(self._standardised(batch.labels))
        predicted, true = torch.cat(outputs), torch.cat(labels)
        loss = (F.smooth_l1_loss(predicted, true, reduction="none") * self.weights).sum(1).mean()
        mae = ((predicted - true).abs().mean(0) * self.network.label_std).tolist()
        return EpochRecord(
            epoch=epoch,
            train_loss=train_loss,
            validation_loss=float(loss) if math.isfinite(float(loss)) else math.inf,
            validation_mae=dict(zip(TARGETS, mae, strict=True)),
            learning_rate=rate,
            seconds=perf_counter() - begun,
        )

    def _standardised(self, labels: Tensor) -> Tensor:
        return (labels.to(self.device) - self.network.label_mean) / self.network.label_std

    def best_network(self) -> BoneNet:
        self.network.load_state_dict(self.best_state)
        self.network.backbone.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        return self.network.to("cpu").eval()

    def state(self) -> TrainingState:
        return TrainingState(
            identity=self.identity,
            network=self.network.state_dict(),
            averaged=self.averaged.copy(),
            updates=self.averaged.updates,
            optimizer=self.optimizer.state_dict(),
            schedule=self.schedule.state_dict(),
            best=self.best_state,
            best_epoch=self.best_epoch,
            best_loss=self.best_loss,
            history=[record.model_dump() for record in self.history],
        )

    def restore(self, state: TrainingState) -> None:
        self.network.load_state_dict(state.network)
        self.averaged.load(state.averaged, state.updates)
        self.optimizer.load_state_dict(state.optimizer)
        self.schedule.load_state_dict(state.schedule)
        self.best_state, self.best_epoch, self.best_loss = state.best, state.best_epoch, state.best_loss
        self.history = [EpochRecord.model_validate(record) for record in state.history]


def _decayed_apart(network: BoneNet, weight_decay: float) -> list[dict[str, object]]:
    """Weights of convolutions and the deep head decay; biases, normalisations and the linear path do not."""
    decayed: list[torch.nn.Parameter] = []
    others: list[torch.nn.Parameter] = []
    for name, parameter in network.named_parameters():
        (decayed if parameter.ndim > 1 and not name.startswith("shallow") else others).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
