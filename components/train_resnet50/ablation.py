"""What each practice is worth: the same training without one of them, compared on validation patients.

    python -m components.train_resnet50.ablation --store CROPS --out WORK --report docs/ablation.md

Every variant is trained with every seed; a finished one is kept in WORK and never trained again, an interrupted
one goes on from its checkpoint. Calibration and test patients are not looked at.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np

from components.train_resnet50.ablation_report import write_report
from components.train_resnet50.arguments import markdown_file, not_negative, positive
from components.train_resnet50.progress import TrainingProgress
from models.artefact import LoadedModel, save_model
from models.checkpoint import identity
from models.crop_store import CropStore, open_crop_store
from models.dataset import CropDataset
from models.errors import OsteoGateError, ParameterError
from models.find_crop_store import find_crop_store
from models.network_config import ACQUISITION, TARGETS, NetworkConfig
from models.params import load_section
from models.prediction import PREDICTIONS, predict_store
from models.train_params import TrainParams
from models.training import fit
from models.write_failure import unwritten

Change = Callable[[CropStore, TrainParams], tuple[CropStore, TrainParams]]


@dataclass(frozen=True)
class Variant:
    """One row of the table.

    Attributes
    ----------
    words
        What is different, for readers.
    change
        Data and parameters of the full training to this one's.
    """

    name: str
    words: str
    change: Change


def _with(**values: Any) -> Change:
    return lambda store, params: (store, params.model_copy(update=values))


def _augmented(**values: Any) -> Change:
    return lambda store, params: (
        store,
        params.model_copy(update={"augmentation": params.augmentation.model_copy(update=values)}),
    )


def one_slice(store: CropStore, params: TrainParams) -> tuple[CropStore, TrainParams]:
    """Only the middle one of the sagittal slices; the level jitter then has no neighbours to take."""
    middle = store.header.geometry.slices // 2
    geometry = store.header.geometry.model_copy(update={"slices": 1})
    header = store.header.model_copy(update={"geometry": geometry})
    return replace(store, header=header, hu=store.hu[:, middle : middle + 1]), params


def no_acquisition(store: CropStore, params: TrainParams) -> tuple[CropStore, TrainParams]:
    """The same kVp (the reference), thickness and pixel for all: neither HU scaling nor the head know better."""
    constant = dict.fromkeys(ACQUISITION, 1.0) | {"kvp": NetworkConfig.model_fields["kvp_reference"].default}
    return replace(store, index=store.index.assign(**constant)), params


VARIANTS: tuple[Variant, ...] = (
    Variant("full", "all of profile ablation", _with()),
    Variant("no_ema", "without averaged weights", _with(ema_decay=0.0)),
    Variant("no_noise_hu", "without noise, HU offset and scale", _augmented(noise_hu=0, hu_offset=0, hu_scale=0)),
    Variant("no_rotation", "without rotation", _augmented(rotation_deg=0)),
    Variant("no_blur", "without the softer kernel: what the other profiles train with", _augmented(blur_mm=0)),
    Variant("no_jitter", "without jitter of level centres", _augmented(centre_jitter_mm=0)),
    Variant("no_shift_mirror", "without shift and mirroring", _augmented(shift_mm=0, mirror=False)),
    Variant(
        "no_augmentation",
        "without any augmentation",
        _augmented(
            shift_mm=0, centre_jitter_mm=0, rotation_deg=0, blur_mm=0, hu_offset=0, hu_scale=0, noise_hu=0,
            mirror=False,
        ),
    ),
    Variant(
        "shift_mirror_noise",
        "without rotation, blur and jitter together",
        _augmented(rotation_deg=0, blur_mm=0, centre_jitter_mm=0),
    ),
    Variant(
        "noise_only",
        "without rotation, blur, jitter, shift, mirroring and averaged weights together",
        lambda store, params: _with(ema_decay=0.0)(
            *_augmented(shift_mm=0, centre_jitter_mm=0, rotation_deg=0, blur_mm=0, mirror=False)(store, params)
        ),
    ),
    Variant("one_slice", "one sagittal slice instead of adjacent ones", one_slice),
    Variant("no_acquisition", "without kVp, thickness and pixel", no_acquisition),
    Variant("no_kvp_scaling", "HU not scaled to one kVp", _with(kvp_exponent=0.0)),
    Variant("no_linear_start", "head from zero instead of the regression", _with(linear_start=False)),
    Variant("constant_rate", "constant learning rate instead of one cycle", _with(schedule="constant")),
    Variant("cosine", "cosine with warm-up instead of one cycle", _with(schedule="cosine")),
    Variant("no_clipping", "gradients not clipped", _with(clip_norm=1e9)),
    Variant("whole_crop", "the whole crop instead of the field of view about the body", _with(field_of_view_mm=None)),
    Variant("no_dropout", "without dropout", _with(dropout=0.0)),
    Variant("bmd_heavier", "BMD's loss weighted twice", _with(bmd_weight=2.0)),
    Variant("tbs_heavier", "TBS's loss weighted twice", _with(tbs_weight=2.0)),
)  # fmt: skip


def subset(store: CropStore, train_patients: int | None) -> CropStore:
    """The first so many train patients of the index, everybody else as before; the pixels stay on disk.

    Raises
    ------
    ParameterError
        There are fewer.
    """
    if train_patients is None:
        return store
    train = store.index.loc[store.index["split"] == "train", "patient"].drop_duplicates()
    if len(train) < train_patients:
        raise ParameterError(
            f"--train-patients {train_patients}: the store has {len(train)}; accepted: up to that"
        )
    dropped = store.index["patient"].isin(train.iloc[train_patients:])
    # a split of no name is read by nobody
    return replace(store, index=store.index.assign(split=store.index["split"].mask(dropped, "left out")))


def validation_measures(model: LoadedModel, store: CropStore) -> dict[str, float | None]:
    """How well validation patients are read; the same measure whatever a variant was trained to minimise.

    Returns
    -------
    `validation_loss`: smooth L1 of each middle crop's two errors in standard deviations of the train labels,
    summed over the targets. `bmd_r`, `tbs_r` (Pearson; None where nothing varies), `bmd_mae` (g/cm2), `tbs_mae`:
    of patients, each the mean over the levels' middle crops.
    """
    table = predict_store(model, store, ("validation",))
    table = table.loc[CropDataset(replace(store, index=table), ("validation",), middle_only=True).rows]
    train = store.index[store.index["split"] == "train"]
    patients = table.groupby("patient", sort=True)[[*TARGETS, *PREDICTIONS]].mean()
    measures: dict[str, float | None] = {"validation_loss": 0.0}
    for target, predicted in zip(TARGETS, PREDICTIONS, strict=True):
        error = ((table[predicted] - table[target]) / train[target].std(ddof=0)).abs()
        loss = np.where(error < 1, error**2 / 2, error - 0.5).mean()
        measures["validation_loss"] = float((measures["validation_loss"] or 0.0) + loss)
        truth, answer = patients[target].to_numpy(), patients[predicted].to_numpy()
        varies = len(patients) > 2 and np.ptp(truth) > 0 and np.ptp(answer) > 0
        short = target.split("_")[0]
        measures[f"{short}_r"] = float(np.corrcoef(truth, answer)[0, 1]) if varies else None
        measures[f"{short}_mae"] = float(np.abs(truth - answer).mean())
    return measures


def run_variant(
    variant: Variant, seed: int, store: CropStore, params: TrainParams, work: Path
) -> dict[str, Any]:
    """The row of one variant and seed: from `work` when it is there and of this very training, else trained."""
    store, params = variant.change(store, params.model_copy(update={"seed": seed}))
    folder = work / f"{variant.name}-seed{seed}"
    row_file, checkpoint = folder / "row.json", folder / "checkpoint.pt"
    of_this = json.loads(json.dumps(vars(identity(store, params))))
    if row_file.is_file():
        kept = _kept_row(row_file)
        if kept is not None and kept["identity"] == of_this:
            return kept
        row_file.unlink()  # torn, or of other data or parameters
        checkpoint.unlink(missing_ok=True)
    begun = perf_counter()
    with TrainingProgress(True, lambda record: None) as reporter:
        model = fit(store, params, reporter=reporter, checkpoint=checkpoint, resume=True)
    with TemporaryDirectory(dir=folder) as beside:
        card = save_model(model, Path(beside) / "model", git_commit=None)
    row = {
        "variant": variant.name,
        "words": variant.words,
        "seed": seed,
        "identity": of_this,
        "best_epoch": model.best_epoch,
        "epochs": len(model.history),
        "seconds": perf_counter() - begun,
        "patients": model.patients,
        **validation_measures(LoadedModel(model.network, card), store),
    }
    partial = folder / ".row.json.partial"
    partial.write_text(json.dumps(row, indent=2))
    partial.replace(row_file)
    checkpoint.unlink(missing_ok=True)
    return row


def _kept_row(file: Path) -> dict[str, Any] | None:
    try:
        row = json.loads(file.read_text())
    except ValueError:  # torn
        return None
    return row if isinstance(row, dict) and "identity" in row else None


def run(
    store: CropStore,
    params: TrainParams,
    *,
    work: Path,
    seeds: tuple[int, ...],
    variants: tuple[Variant, ...],
) -> list[dict[str, Any]]:
    """Every variant with every seed, seed by seed, so that what there is can be compared at any time."""
    rows = []
    for seed in seeds:
        for variant in variants:
            rows.append(run_variant(variant, seed, store, params, work))
            sys.stderr.write(
                f"{variant.name}, seed {seed}: validation loss {rows[-1]['validation_loss']:.4f}, "
                f"{rows[-1]['seconds']:.0f} s ({len(rows)} of {len(seeds) * len(variants)})\n"
            )
    return rows


def chosen(names: str | None) -> tuple[Variant, ...]:
    """The variants of these comma-separated names, `full` always among them; None: all.

    Raises
    ------
    ParameterError
        Naming what is unknown and what is accepted.
    """
    if names is None:
        return VARIANTS
    wanted = {"full", *(name.strip() for name in names.split(","))}
    known = [variant.name for variant in VARIANTS]
    unknown = sorted(wanted - set(known))
    if unknown:
        raise ParameterError(f"--variants: unknown {', '.join(unknown)}; accepted: {', '.join(known)}")
    return tuple(variant for variant in VARIANTS if variant.name in wanted)


def main() -> int:
    """Command line; an error is one line and its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--store",
        type=Path,
        required=True,
        help="crop store, of 128 px in the report, or the folder that holds it as crops",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of finished and interrupted variants")
    parser.add_argument(
        "--report", type=markdown_file, required=True, help="table to write (.md; .json beside it)"
    )
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--profile", default="ablation", help="name under profiles in params.yaml")
    parser.add_argument("--seeds", type=not_negative, nargs="+", default=[1, 2])
    parser.add_argument("--variants", help="comma-separated names; default: all")
    parser.add_argument("--train-patients", type=positive, help="use only so many train patients")
    parser.add_argument("--epochs", type=positive, help="in place of the profile's")
    options = parser.parse_args()
    try:
        variants = chosen(options.variants)
        params = load_section(options.params, "train", TrainParams, options.profile)
        if options.epochs:
            params = params.model_copy(update={"epochs": options.epochs})
        store = subset(open_crop_store(find_crop_store(options.store)), options.train_patients)
        rows = run(store, params, work=options.out, seeds=tuple(options.seeds), variants=variants)
        write_report(rows, params, store.header, options.report)
    except OsteoGateError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"error: {error.filename or options.out}: not read or written {unwritten(error)}\n")
        return OsteoGateError.exit_code
    sys.stdout.write(options.report.read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
