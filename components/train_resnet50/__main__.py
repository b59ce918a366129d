"""Training by itself, in one process or, started by torchrun, in several that share every batch.

python -m components.train_resnet50 --store CROPS --out MODEL
torchrun --nproc-per-node 2 -m components.train_resnet50 --store CROPS --out MODEL
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from components.train_resnet50.run import checkpoint_beside, run
from models.artefact import refuse_model_target
from models.checkpoint import CheckpointError
from models.crop_store import open_crop_store
from models.divergence import TrainingDivergedError
from models.errors import OsteoGateError, ParameterError
from models.find_crop_store import find_crop_store
from models.params import load_section
from models.processes import Processes, torchrun_processes
from models.train_params import TrainParams
from models.training import fit
from models.write_failure import unwritten


def main() -> int:
    """Exit code: 0, or that of the error, which is one line; 130 when interrupted."""
    options = _options()
    rank = int(os.environ.get("RANK", "0"))
    try:
        options.out = options.out.resolve()  # '.' has no name of its own
        options.store = find_crop_store(options.store)
        refuse_model_target(options.out)
        if options.checkpoint is not None and options.checkpoint.is_dir():
            raise ParameterError(f"--checkpoint {options.checkpoint}: is a folder; name a file")
        params = load_section(options.params, "train", TrainParams, options.profile)
        with torchrun_processes(params.device) as processes:
            _train(options, params, processes)
    except OsteoGateError as error:
        # what is wrong with parameters or data is wrong in every process, and said by the main one
        if rank == 0 or isinstance(error, TrainingDivergedError | CheckpointError):
            sys.stderr.write(f"error: {error}\n")
            sys.stderr.flush()
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"error: {error.filename or options.out}: not read or written {unwritten(error)}\n")
        return OsteoGateError.exit_code
    except KeyboardInterrupt:
        if rank == 0:
            sys.stderr.write("interrupted; --resume goes on from the checkpoint, if there is one\n")
        return 130
    return 0


def _train(options: argparse.Namespace, params: TrainParams, processes: Processes) -> None:
    checkpoint = options.checkpoint or checkpoint_beside(options.out)
    if not processes.main:
        fit(
            open_crop_store(options.store),
            params,
            checkpoint=checkpoint,
            resume=options.resume,
            processes=processes,
        )
        return
    summary = run(
        store=options.store,
        out=options.out,
        params=params,
        mlflow_uri=options.mlflow or f"sqlite:///{options.out.parent / 'mlflow.db'}",
        experiment="osteogate",
        run_name=options.out.name,
        git_commit=options.git_commit,
        resume=options.resume,
        checkpoint=checkpoint,
        processes=processes,
    )
    sys.stdout.write(
        f"{summary.folder}: epoch {summary.best_epoch} of {summary.epochs} kept, "
        f"{summary.crops_per_second:.1f} crops/s on {processes.count} x {summary.device}, "
        f"validation loss {summary.best_metrics['validation_loss']:.4f}\n"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m components.train_resnet50", description=__doc__)
    parser.add_argument(
        "--store", type=Path, required=True, help="crop store, or the folder that holds it as crops"
    )
    parser.add_argument("--out", type=Path, required=True, help="model folder to write")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--profile", help="name under profiles in params.yaml")
    parser.add_argument("--mlflow", help="tracking URI; default: mlflow.db beside the model folder")
    parser.add_argument("--checkpoint", type=Path, help="default: a hidden file beside the model folder")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint, if there is one")
    parser.add_argument("--git-commit", help="recorded in the model card")
    return parser.parse_args()


if __name__ == "__main__":
    code = main()
    if code and "WORLD_SIZE" in os.environ:
        os._exit(code)  # no farewell to the others: torchrun ends them
    sys.exit(code)
