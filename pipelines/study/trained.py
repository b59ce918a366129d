"""One training of a study: kept when done, resumed when interrupted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console

import models
from models.artefact import LoadedModel, load_model, save_model
from models.crop_store import CropStore
from models.prediction import predict_store
from models.seen_patients import read_seen_patients, write_seen_patients
from models.train_params import TrainParams
from models.training import fit
from models.training_history import EpochRecord
from pipelines.fingerprint import module_fingerprint
from pipelines.stage_progress import StageProgress
from pipelines.study.plan import key_of
from pipelines.study.stages import stage

QUIET_S = 10.0  # predictions of a few patients are no news
MODEL, CHECKPOINT, PREDICTIONS = "model", "checkpoint.pt", "predictions.parquet"
TRAINING_SOURCE, PREDICTION_SOURCE = "models/training.py", "models/prediction.py"


class _Reporter:
    """Epochs and batches of a training to a stage's progress."""

    def __init__(self, progress: StageProgress) -> None:
        self.progress, self.batches, self.epochs, self.latest = progress, 0, 0, ""

    def started(self, epochs: int, batches: int, crops: int, device: str) -> None:
        self.epochs, self.batches = epochs, batches

    def batch(self, epoch: int, batch: int, loss: float) -> None:
        done, total = (epoch - 1) * self.batches + batch, self.epochs * self.batches
        self.progress(done, total, f"epoch {epoch} of at most {self.epochs}{self.latest}")

    def epoch(self, record: EpochRecord) -> None:
        self.latest = f", validation loss {record.validation_loss:.4f}"


def trained(
    store: CropStore,
    params: TrainParams,
    folder: Path,
    name: str,
    console: Console,
    commit: str | None,
    *,
    frozen_on: CropStore | None = None,
) -> LoadedModel:
    """The model of this store and these parameters, with the list of whom it has seen beside it.

    Parameters
    ----------
    frozen_on
        A store of its own whose patients freeze the model's cut-offs: it has seen them as well.

    Raises
    ------
    OsteoGateError
        What training refuses: patients in two splits, labels that are not numbers, constant targets, ...
    """
    # which patients, not the version of the whole cohort alone: a vendor may be left out
    key = key_of(
        store.header.data_version, _content(store), params.model_dump(mode="json"), _source(TRAINING_SOURCE)
    )

    def work(folder: Path) -> None:
        with StageProgress(console, name) as progress:
            model = fit(
                store, params, reporter=_Reporter(progress), checkpoint=folder / CHECKPOINT, resume=True
            )
        save_model(model, folder / MODEL, git_commit=commit)
        (folder / CHECKPOINT).unlink(missing_ok=True)

    if not stage(folder, key, work):
        console.print(f"{name}: kept", highlight=False)
    _keep_seen([store] if frozen_on is None else [store, frozen_on], folder / MODEL)
    return load_model(folder / MODEL)


def _keep_seen(stores: Sequence[CropStore], folder: Path) -> None:
    """The list beside the weights; a model kept from before there were lists gets one."""
    index = pd.concat([store.index for store in stores], ignore_index=True)
    if read_seen_patients(folder) != frozenset(index.loc[index["split"] != "test", "patient"]):
        write_seen_patients(index, folder)


def predicted(
    model: LoadedModel, store: CropStore, splits: tuple[str, ...], folder: Path, name: str, console: Console
) -> pd.DataFrame:
    """Index rows of these splits with the model's estimates.

    Raises
    ------
    GeometryMismatchError
        Store and model differ in crop geometry.
    """
    key = key_of(
        model.card.weights_sha256,
        store.header.data_version,
        _content(store),
        splits,
        _source(PREDICTION_SOURCE),
    )

    def work(folder: Path) -> None:
        with StageProgress(console, name, quiet_s=QUIET_S):
            predict_store(model, store, splits).to_parquet(folder / PREDICTIONS, index=False)

    stage(folder, key, work)
    return pd.read_parquet(folder / PREDICTIONS)


def without_vendor(store: CropStore, vendor: str) -> CropStore:
    """The store as if no patient had been on this vendor's scanners; pixels are shared."""
    return replace(store, index=store.index[store.index["vendor"] != vendor])


def only_vendor(store: CropStore, vendor: str) -> CropStore:
    """The patients of one vendor."""
    return replace(store, index=store.index[store.index["vendor"] == vendor])


@cache
def _source(module: str) -> str:
    """Hash of the module and of what it imports: what other code made is not kept."""
    return module_fingerprint(Path(models.__path__[0]).parent, module)


def _content(store: CropStore) -> str:
    """Hash of the index: patients, splits, labels."""
    return f"{int(np.bitwise_xor.reduce(pd.util.hash_pandas_object(store.index).to_numpy())):x}-{len(store.index)}"
