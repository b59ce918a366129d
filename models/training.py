"""The training loop: AdamW on a schedule, averaged weights, early stopping on validation patients."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.augmentation import augment
from models.averaging import AveragedWeights
from models.checkpoint import TrainingState, identity, load_checkpoint, save_checkpoint
from models.crop_store import CropGeometry, CropStore
from models.dataset import Batch, CropDataset, check_trainable
from models.device import autocast, choose_device, repeatable
from models.divergence import TrainingDivergedError, keep_batch
from models.errors import ParameterError
from models.network import BoneNet
from models.network_config import TARGETS
from models.prefetch import prefetched
from models.processes import SINGLE, Processes
from models.schedule import make_schedule
from models.standardisation import standardise_from
from models.train_params import TrainParams
from models.training_history import EpochRecord

__all__ = ["Reporter", "TrainedModel", "TrainingDivergedError", "fit"]


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
    processes: Processes = SINGLE,
) -> TrainedModel:
    """Train on split train, stop on split validation; calibration and test are never looked at.

    Parameters
    ----------
    device
        Overrides `params.device`.
    reporter
        Told of progress in the main process only.
    checkpoint
        File to keep the state in every `params.checkpoint_every` epochs; removed is the caller's business.
        A batch whose loss is no number is kept beside it.
    resume
        Continue from `checkpoint` if it exists; a resumed training ends with the weights of one that was
        never interrupted (same machine, CPU).
    processes
        Those that share each batch of `params.batch` crops; every one returns the same model.

    Raises
    ------
    TrainingDataError
        The store cannot be trained on.
    TrainingDivergedError
        A loss or gradient that is not finite, with epoch, batch and the file that keeps the batch.
    CheckpointError
        The checkpoint is damaged or belongs to another architecture, other data or other parameters.
    ParameterError
        CUDA is asked for and there is none, or a batch is too small to be shared.
    """
    begun = perf_counter()
    if params.batch < 2 * processes.count:
        raise ParameterError(
            f"train.batch: {params.batch} crops for {processes.count} processes; accepted: at least "
            f"{2 * processes.count}"
        )
    train = CropDataset(store, ("train",), lateral_jitter_mm=params.augmentation.centre_jitter_mm)
    validation = CropDataset(store, ("validation",), middle_only=True)
    check_trainable(train, validation)
    place = processes.device or choose_device(device or params.device)
    threads = torch.get_num_threads()
    if params.threads:
        torch.set_num_threads(params.threads)
    try:
        with torch.random.fork_rng(devices=[place] if place.type == "cuda" else []), repeatable():
            run = TrainingRun(store, params, train, validation, place, processes, checkpoint)
            if resume and checkpoint is not None and checkpoint.exists():
                run.restore(load_checkpoint(checkpoint, run.identity))
            run.to_the_end(reporter)
            network = run.best_network()
    finally:
        torch.set_num_threads(threads)
    return TrainedModel(
        network=network,
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


@dataclass(frozen=True)
class _Step:
    """A step whose loss has not been looked at yet."""

    number: int
    batch: Batch
    augmented: Tensor
    loss: Tensor
    norm: Tensor


class _Standardised(nn.Module):
    """What is optimised: crops and acquisition to outputs in standard deviations of the labels."""

    def __init__(self, network: BoneNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, crops: Tensor, acquisition: Tensor) -> Tensor:
        return self.network.standardised(crops, acquisition)


class TrainingRun:
    """The state of one training, from the first step or from a checkpoint."""

    def __init__(
        self,
        store: CropStore,
        params: TrainParams,
        train: CropDataset,
        validation: CropDataset,
        device: torch.device,
        processes: Processes,
        checkpoint: Path | None,
    ) -> None:
        self.params, self.train, self.validation, self.device = params, train, validation, device
        self.processes, self.checkpoint = processes, checkpoint
        self.identity = identity(store, params, processes.count)
        self.pixel_mm = store.header.geometry.size_mm / store.header.geometry.pixels
        torch.manual_seed(params.seed)
        self.network = BoneNet(params.network(store.header.geometry))
        if params.weights_file is not None:
            self.network.load_pretrained(params.weights_file)
        standardise_from(self.network, train, linear_start=params.linear_start)
        self.network.to(device)
        self.network.backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averaged = AveragedWeights(self.network, params.ema_decay)
        self.parallel = processes.parallel(_Standardised(self.network))
        self.optimizer = torch.optim.AdamW(
            _decayed_apart(self.network, params.weight_decay), params.learning_rate, fused=True
        )
        steps = params.epochs * train.batches(params.batch, processes.count)
        self.schedule = make_schedule(self.optimizer, params, steps)
        self.weights = torch.tensor([params.bmd_weight, params.tbs_weight], device=device)
        self.history: list[EpochRecord] = []
        self.best_epoch, self.best_loss = 0, math.inf
        self.best_state: dict[str, Tensor] = {}
        self.train_seconds, self.crops = 0.0, 0
        # a GPU is given the next step before the loss of the last one is asked for, so that it never waits
        self.steps_ahead = 1 if device.type == "cuda" else 0

    def to_the_end(self, reporter: Reporter | None) -> None:
        reporter = reporter if self.processes.main else None
        batches = self.train.batches(self.params.batch, self.processes.count)
        if reporter is not None:
            reporter.started(self.params.epochs, batches, len(self.train), self.device.type)
        for epoch in range(len(self.history) + 1, self.params.epochs + 1):
            if epoch - 1 - self.best_epoch >= self.params.patience:
                break
            self._one_epoch(epoch, reporter)
            last = epoch == self.params.epochs
            due = last or epoch % self.params.checkpoint_every == 0
            if due and self.checkpoint is not None and self.processes.main:
                save_checkpoint(self.checkpoint, self.state())
        if self.best_epoch == 0:
            raise TrainingDivergedError(
                f"training: the validation loss was never a number in {len(self.history)} epochs; lower "
                f"train.learning_rate (now {self.params.learning_rate:g}) or check the validation crops"
            )

    def _one_epoch(self, epoch: int, reporter: Reporter | None) -> None:
        # Everything random in an epoch follows from seed, epoch and process, so that a resumed run repeats it.
        seed = self.params.seed * 100_003 + epoch + self.processes.rank * 7_919_000_017
        torch.manual_seed(seed)
        generator = torch.Generator(self.device).manual_seed(seed)
        begun, total, seen = perf_counter(), 0.0, 0
        self.network.train()
        rate = float(self.schedule.get_last_lr()[0])
        for step in self.steps(generator):
            loss = float(step.loss)
            if not (math.isfinite(loss) and math.isfinite(float(step.norm))):
                self._refuse(step, epoch)
            total, seen = total + loss * len(step.batch.rows), seen + len(step.batch.rows)
            if reporter is not None:
                reporter.batch(epoch, step.number, loss)
        total, whole = self.processes.summed(total, seen)
        self.train_seconds, self.crops = self.train_seconds + perf_counter() - begun, self.crops + int(whole)
        # the averaged weights, and the batch normalisation in them, are the main process's
        record = self._validated(epoch, total / whole, rate, begun) if self.processes.main else None
        record = self.processes.told_by_main(record)
        assert record is not None
        self.history.append(record)
        if record.validation_loss < self.best_loss:
            self.best_loss, self.best_epoch = record.validation_loss, epoch
            self.best_state = self.averaged.copy()
        if reporter is not None:
            reporter.epoch(record)

    def steps(self, generator: torch.Generator) -> Iterator[_Step]:
        """The epoch's steps, each given when its loss may be read."""
        waiting: deque[_Step] = deque()
        batches = self.train.shuffled(
            self.params.batch,
            self.params.seed,
            len(self.history) + 1,
            part=self.processes.rank,
            parts=self.processes.count,
        )
        for number, batch in enumerate(prefetched(batches, pinned=self.device.type == "cuda"), start=1):
            waiting.append(self._step(number, batch, generator))
            if len(waiting) > self.steps_ahead:
                yield waiting.popleft()
        yield from waiting

    def _step(self, number: int, batch: Batch, generator: torch.Generator) -> _Step:
        crops = augment(
            batch.crops.to(self.device, non_blocking=True),
            self.params.augmentation,
            generator,
            pixel_mm=self.pixel_mm,
        )
        facts, labels = (
            tensor.to(self.device, non_blocking=True) for tensor in (batch.acquisition, batch.labels)
        )
        loss, norm = self.optimise(crops, facts, labels, self._share(number, len(batch.rows)))
        return _Step(number, batch, crops, loss, norm)

    def optimise(
        self, crops: Tensor, acquisition: Tensor, labels: Tensor, share: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """One step on what is on the device already: its loss, and the gradient's norm before clipping."""
        with autocast(self.device, self.params.precision):
            outputs = self.parallel(crops, acquisition)
        errors = F.smooth_l1_loss(outputs.float(), self._standardised(labels), reduction="none")
        loss = (errors * self.weights).sum(1).mean()
        self.optimizer.zero_grad(set_to_none=True)
        (loss * share).backward()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.params.clip_norm)
        self.optimizer.step()
        self.schedule.step()
        if self.processes.main:
            self.averaged.update()
        return loss.detach(), norm.detach()

    def _share(self, number: int, own: int) -> float:
        """Weight of this process's mean loss, so that the mean over processes is the mean over crops."""
        whole = min(self.params.batch, len(self.train) - (number - 1) * self.params.batch)
        return own * self.processes.count / whole

    def _refuse(self, step: _Step, epoch: int) -> None:
        """Raise, and keep the batch."""
        what = "loss" if not math.isfinite(float(step.loss)) else "gradient"
        value = float(step.loss if what == "loss" else step.norm)
        kept = None
        if self.checkpoint is not None:
            name = f"{self.checkpoint.stem.lstrip('.')}-process{self.processes.rank}-not-finite.npz"
            kept = keep_batch(
                self.checkpoint.with_name(name), step.batch, step.augmented, epoch=epoch, number=step.number
            )
        raise TrainingDivergedError(
            f"training: {what} is {value} in epoch {epoch}, batch {step.number}; "
            f"lower train.learning_rate (now {self.params.learning_rate:g}) or check the crops"
            + (f", which are kept in {kept}" if kept else "")
        )

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
        self.processes.copied_from_main(self.best_state)
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
