"""The training step: crop store in, model folder out, everything about it in MLflow."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException

from components.train_resnet50.curves import draw_curves
from components.train_resnet50.progress import ProgressFunction, TrainingProgress
from components.train_resnet50.tracking import artifact_root, experiment_id, flattened, tracking
from models.artefact import ModelCard, ModelWriteError, refuse_model_target, save_model
from models.crop_store import CropStore, open_crop_store
from models.errors import OsteoGateError
from models.processes import SINGLE, Processes
from models.seen_patients import write_seen_patients
from models.train_params import TrainParams
from models.training import TrainedModel, fit
from models.training_history import EpochRecord
from models.write_failure import unwritten

CURVES_FILE = "curves.png"


@dataclass(frozen=True)
class TrainSummary:
    """What the manifest and the next steps want to know.

    Attributes
    ----------
    epochs
        Trained; early stopping may end before `params.epochs`.
    best_metrics
        Of the kept epoch on validation vertebrae: `validation_loss`, `bmd_mae_g_cm2`, `tbs_mae`.
    run_id
        Of MLflow.
    """

    folder: Path
    run_id: str
    weights_sha256: str
    device: str
    epochs: int
    best_epoch: int
    best_metrics: dict[str, float]
    seconds: float
    crops_per_second: float


def run(
    *,
    store: Path,
    out: Path,
    params: TrainParams,
    mlflow_uri: str,
    experiment: str,
    run_name: str,
    git_commit: str | None,
    resume: bool = False,
    progress: bool | ProgressFunction = True,
    artifacts: str | None = None,
    checkpoint: Path | None = None,
    processes: Processes = SINGLE,
) -> TrainSummary:
    """Train and write the model folder `out` (weights.pt, model.json, history.json, curves.png).

    Parameters
    ----------
    artifacts
        Where a new experiment keeps its artefacts; default `mlartifacts` beside an SQLite file.
    resume
        Continue an interrupted training from `checkpoint`.
    checkpoint
        Default: a hidden file beside `out` (`checkpoint_beside`). It is removed when the model is written.
    processes
        Those that train together; this is the main one, the others only call `models.training.fit`.

    Raises
    ------
    CropStoreError, TrainingDataError, TrainingDivergedError, CheckpointError, ModelWriteError
        From reading, training and writing; the MLflow run is then marked FAILED.
    ServiceUnavailableError
        MLflow does not answer.
    ModelTargetError
        `out` holds something that is no model; said before anything is trained.
    """
    out = out.resolve()  # '.' has no name to put a checkpoint beside
    refuse_model_target(out)
    crops = open_crop_store(store)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelWriteError(f"{out}: no place for a model {unwritten(error)}") from error
    checkpoint = checkpoint or checkpoint_beside(out)
    with tracking(mlflow_uri) as client:
        location = artifacts or artifact_root(mlflow_uri)
        tracked = client.create_run(experiment_id(client, experiment, location), run_name=run_name)
        run_id = str(tracked.info.run_id)
        status = "KILLED"  # unless something better or worse is known by the end: interrupted
        try:
            _log_start(client, run_id, crops, params, git_commit)
            with TrainingProgress(progress, lambda record: _log_epoch(client, run_id, record)) as reporter:
                model = fit(
                    crops,
                    params,
                    reporter=reporter,
                    checkpoint=checkpoint,
                    resume=resume,
                    processes=processes,
                )
            card = save_model(model, out, git_commit=git_commit)
            write_seen_patients(crops.index, out)
            draw_curves(
                model.history, model.best_epoch, out / CURVES_FILE, simulated=model.data_kind == "simulated"
            )
            summary = _summary(model, card, out, run_id)
            _log_end(client, summary)
            checkpoint.unlink(missing_ok=True)
            status = "FINISHED"
        except (OsteoGateError, MlflowException, OSError, RuntimeError, ValueError):
            status = "FAILED"
            raise
        finally:
            client.set_terminated(run_id, status)
    return summary


def checkpoint_beside(out: Path) -> Path:
    """Where the training of model folder `out` keeps its state, unless it is told another place."""
    return out.with_name(f".{out.name}.checkpoint.pt")


def _log_start(
    client: MlflowClient, run_id: str, crops: CropStore, params: TrainParams, git_commit: str | None
) -> None:
    header = crops.header
    values = flattened(params.model_dump(mode="json")) | flattened({"geometry": header.geometry.model_dump()})
    client.log_batch(run_id, params=[Param(key, value) for key, value in values.items()])
    for key, value in (
        ("data_version", header.data_version),
        ("data_kind", header.data_kind),
        ("git_commit", git_commit or "unknown"),
    ):
        client.set_tag(run_id, key, value)


def _log_epoch(client: MlflowClient, run_id: str, record: EpochRecord) -> None:
    values = {
        "train_loss": record.train_loss,
        "validation_loss": record.validation_loss,
        "validation_bmd_mae_g_cm2": record.validation_mae["bmd_g_cm2"],
        "validation_tbs_mae": record.validation_mae["tbs"],
        "learning_rate": record.learning_rate,
        "epoch_seconds": record.seconds,
    }
    now_ms = int(time.time() * 1000)
    client.log_batch(
        run_id, metrics=[Metric(key, value, now_ms, record.epoch) for key, value in values.items()]
    )


def _log_end(client: MlflowClient, summary: TrainSummary) -> None:
    for key, value in summary.best_metrics.items():
        client.log_metric(summary.run_id, f"best_{key}", value)
    client.log_metric(summary.run_id, "best_epoch", summary.best_epoch)
    client.log_metric(summary.run_id, "crops_per_second", summary.crops_per_second)
    client.set_tag(summary.run_id, "weights_sha256", summary.weights_sha256)
    client.set_tag(summary.run_id, "device", summary.device)
    client.log_artifacts(summary.run_id, str(summary.folder), "model")


def _summary(model: TrainedModel, card: ModelCard, out: Path, run_id: str) -> TrainSummary:
    best = model.history[model.best_epoch - 1]
    return TrainSummary(
        folder=out,
        run_id=run_id,
        weights_sha256=card.weights_sha256,
        device=model.device,
        epochs=len(model.history),
        best_epoch=model.best_epoch,
        best_metrics={
            "validation_loss": best.validation_loss,
            "bmd_mae_g_cm2": best.validation_mae["bmd_g_cm2"],
            "tbs_mae": best.validation_mae["tbs"],
        },
        seconds=model.seconds,
        crops_per_second=model.crops_per_second,
    )
