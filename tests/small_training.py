"""A training that takes seconds: its parameters, its parts before the first step, and one step of it."""

from __future__ import annotations

import torch

from models.crop_store import CropStore
from models.dataset import CropDataset
from models.processes import SINGLE, Processes
from models.train_params import AugmentationParams, TrainParams
from models.training_run import Step, TrainingRun

ALL_ON = AugmentationParams(centre_jitter_mm=3.0, rotation_deg=5.0, blur_mm=0.5)
QUICK = TrainParams(
    arch="resnet18",
    epochs=3,
    batch=16,
    threads=1,
    checkpoint_every=1,
    learning_rate=3e-4,
    augmentation=ALL_ON,
)


def with_(**values: object) -> TrainParams:
    return QUICK.model_copy(update=values)


def prepared(store: CropStore, params: TrainParams, processes: Processes = SINGLE) -> TrainingRun:
    train, validation = CropDataset(store, ("train",)), CropDataset(store, ("validation",), middle_only=True)
    return TrainingRun(store, params, train, validation, torch.device("cpu"), processes, None)


def one_step(run: TrainingRun) -> Step:
    batch = next(run.train.shuffled(run.params.batch, 0, 1))
    return run._step(1, batch, torch.Generator().manual_seed(0))
