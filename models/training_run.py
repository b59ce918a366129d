"""One training, epoch by epoch: from the first step or from a checkpoint, to where it stops by itself."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Protocol

import torch
from torch import Tensor

from models.augmentation import augment
from models.checkpoint import TrainingState, identity, save_checkpoint
from models.crop_store import CropStore
from models.dataset import Batch, CropDataset
from models.device import autocast
from models.divergence import TrainingDivergedError, keep_batch
from models.network import BoneNet
from models.network_config import TARGETS
from models.optimisation import Optimisation
from models.prefetch import prefetched
from models.processes import Processes
from models.standardisation import standardise_from
from models.train_params import TrainParams
from models.training_history import EpochRecord


class Reporter(Protocol):
    """Told of progress; epochs and batches count from 1."""

    def started(self, epochs: int, batches: int, crops: int, device: str) -> None: ...

    def batch(self, epoch: int, batch: int, loss: float) -> None: ...

    def epoch(self, record: EpochRecord) -> None: ...


@dataclass(frozen=True)
class Step:
    """A step whose loss has not been looked at yet."""

    number: int
    batch: Batch
    augmented: Tensor
    loss: Tensor
    norm: Tensor


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
        steps = params.epochs * train.batches(params.batch, processes.count, params.least_crops)
        self.optimisation = Optimisation(self.network, params, steps, device, processes)
        self.history: list[EpochRecord] = []
        self.best_epoch, self.best_loss = 0, math.inf
        self.best_state: dict[str, Tensor] = {}
        self.train_seconds, self.crops = 0.0, 0
        # a GPU is given the next step before the loss of the last one is asked for, so that it never waits
        self.steps_ahead = 1 if device.type == "cuda" else 0

    def to_the_end(self, reporter: Reporter | None) -> None:
        reporter = reporter if self.processes.main else None
        batches = self.train.batches(self.params.batch, self.processes.count, self.params.least_crops)
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
        rate = float(self.optimisation.schedule.get_last_lr()[0])
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
            self.best_state = self.optimisation.averaged.copy()
        if reporter is not None:
            reporter.epoch(record)

    def steps(self, generator: torch.Generator) -> Iterator[Step]:
        """The epoch's steps, each given when its loss may be read."""
        waiting: deque[Step] = deque()
        batches = self.train.shuffled(
            self.params.batch,
            self.params.seed,
            len(self.history) + 1,
            part=self.processes.rank,
            parts=self.processes.count,
            least=self.params.least_crops,
        )
        for number, batch in enumerate(prefetched(batches, pinned=self.device.type == "cuda"), start=1):
            waiting.append(self._step(number, batch, generator))
            if len(waiting) > self.steps_ahead:
                yield waiting.popleft()
        yield from waiting

    def _step(self, number: int, batch: Batch, generator: torch.Generator) -> Step:
        crops = augment(
            batch.crops.to(self.device, non_blocking=True),
            self.params.augmentation,
            generator,
            pixel_mm=self.pixel_mm,
        )
        facts, labels = (
            tensor.to(self.device, non_blocking=True) for tensor in (batch.acquisition, batch.labels)
        )
        loss, norm = self.optimisation.step(crops, facts, labels, self._share(number, len(batch.rows)))
        return Step(number, batch, crops, loss, norm)

    def _share(self, number: int, own: int) -> float:
        """Weight of this process's mean loss, so that the mean over processes is the mean over crops."""
        whole = min(self.params.batch, len(self.train) - (number - 1) * self.params.batch)
        return own * self.processes.count / whole

    def _refuse(self, step: Step, epoch: int) -> None:
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
        with self.optimisation.averaged.in_place_of(self.network), torch.inference_mode():
            for batch in self.validation.in_order(self.params.batch):
                with autocast(self.device, self.params.precision):
                    crops, facts = batch.crops.to(self.device), batch.acquisition.to(self.device)
                    outputs.append(self.network.standardised(crops, facts).float())
                labels.append(self.optimisation.standardised(batch.labels))
        predicted, true = torch.cat(outputs), torch.cat(labels)
        loss = self.optimisation.loss(predicted, true)
        mae = ((predicted - true).abs().mean(0) * self.network.label_std).tolist()
        return EpochRecord(
            epoch=epoch,
            train_loss=train_loss,
            validation_loss=float(loss) if math.isfinite(float(loss)) else math.inf,
            validation_mae=dict(zip(TARGETS, mae, strict=True)),
            learning_rate=rate,
            seconds=perf_counter() - begun,
        )

    def best_network(self) -> BoneNet:
        self.processes.copied_from_main(self.best_state)
        self.network.load_state_dict(self.best_state)
        self.network.backbone.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        return self.network.to("cpu").eval()

    def state(self) -> TrainingState:
        return TrainingState(
            identity=self.identity,
            network=self.network.state_dict(),
            averaged=self.optimisation.averaged.copy(),
            updates=self.optimisation.averaged.updates,
            optimizer=self.optimisation.optimizer.state_dict(),
            schedule=self.optimisation.schedule.state_dict(),
            best=self.best_state,
            best_epoch=self.best_epoch,
            best_loss=self.best_loss,
            history=[record.model_dump() for record in self.history],
        )

    def restore(self, state: TrainingState) -> None:
        self.network.load_state_dict(state.network)
        self.optimisation.averaged.load(state.averaged, state.updates)
        self.optimisation.optimizer.load_state_dict(state.optimizer)
        self.optimisation.schedule.load_state_dict(state.schedule)
        self.best_state, self.best_epoch, self.best_loss = state.best, state.best_epoch, state.best_loss
        self.history = [EpochRecord.model_validate(record) for record in state.history]
