"""Training: a crop store and parameters to the weights that are kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import torch

from models.checkpoint import load_checkpoint
from models.crop_store import CropGeometry, CropStore
from models.dataset import CropDataset, check_trainable
from models.device import choose_device, repeatable
from models.divergence import TrainingDivergedError
from models.errors import ParameterError
from models.network import BoneNet
from models.processes import SINGLE, Processes
from models.train_params import TrainParams
from models.training_history import EpochRecord
from models.training_run import Reporter, TrainingRun

__all__ = ["TrainedModel", "TrainingDivergedError", "fit"]


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
    least = params.least_crops * processes.count
    if params.batch < least:
        raise ParameterError(
            f"train.batch: {params.batch} crops for {processes.count} processes of {params.micro_batches} "
            f"micro-batches; accepted: at least {least}"
        )
    train = CropDataset(store, ("train",), lateral_jitter_mm=params.augmentation.centre_jitter_mm)
    validation = CropDataset(store, ("validation",), middle_only=True)
    check_trainable(train, validation, absent_vendor=params.absent_vendor)
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
