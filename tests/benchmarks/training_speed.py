"""How fast training goes, and whether reading and augmenting the crops ever keeps the network waiting.

    python -m tests.benchmarks.training_speed --out build/benchmarks                 # this machine's CPU
    python -m tests.benchmarks.training_speed --out build/benchmarks --gpu           # 224 px, bf16, on a GPU

Real training (crops read from disk, moved, augmented, one optimiser step) is timed against the very same steps
on one random batch that stays on the device. The two are interleaved, several rounds; the report gives the
median of the rounds' ratios, images a second and peak memory. Nothing here passes or fails on time.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import torch

from components.train_resnet50.arguments import at_least_two, positive
from models.crop_store import CropGeometry, CropStore, CropStoreWriter, open_crop_store
from models.dataset import CropDataset
from models.errors import OsteoGateError
from models.find_crop_store import find_crop_store
from models.params import load_section
from models.processes import SINGLE
from models.train_params import TrainParams
from models.training_run import TrainingRun
from models.write_failure import unwritten
from tests.crop_store_factory import make_store

TARGET = {"cpu": 0.95, "cuda": 0.90}
ROOT = Path(__file__).resolve().parents[2]


def large_store(folder: Path, crops: int, pixels: int) -> CropStore:
    """Random HU in the shape of a crop store; the index is the factory's, its rows repeated under new names."""
    source = make_store(folder.with_name("index"), patients=10, pixels=16, offsets_mm=(-6.0, 0.0, 6.0)).index
    geometry = CropGeometry(pixels=pixels, size_mm=64.0, slices=3, slice_spacing_mm=2.0, centre_shift_mm=6.0)
    rng = np.random.default_rng(0)
    hu = rng.integers(-200, 900, (3, pixels, pixels)).astype(np.int16)
    rows = source.to_dict("records")
    with CropStoreWriter(folder, crops, geometry, data_version="random", data_kind="simulated") as writer:
        for number in range(crops):
            again, row = divmod(number, len(rows))
            names = {name: f"{rows[row][name]}-{again}" for name in ("patient", "series")}
            writer.add(np.roll(hu, number, axis=2), {**rows[row], **names})
    return open_crop_store(folder)


def measure(
    store: CropStore, params: TrainParams, *, device: str, rounds: int, batches: int, compiled: bool = False
) -> dict[str, object]:
    """Images a second of real training and of a resident batch, in interleaved rounds of `batches` steps.

    Parameters
    ----------
    compiled
        Both through torch.compile.
    """
    place = torch.device(device)
    train = CropDataset(store, ("train",), lateral_jitter_mm=params.augmentation.centre_jitter_mm)
    validation = CropDataset(store, ("validation",))
    steps = 2 * (rounds + 1) * (batches + 1)
    params = params.model_copy(update={"epochs": 1 + steps // max(1, train.batches(params.batch))})
    run = TrainingRun(store, params, train, validation, place, SINGLE, None)
    if compiled:
        run.optimisation.parallel = torch.compile(run.optimisation.parallel)  # type: ignore[assignment]
    run.network.train()
    generator = torch.Generator(place).manual_seed(params.seed)
    resident = next(train.shuffled(params.batch, 0, 1))
    crops = torch.randint(-200, 900, tuple(resident.crops.shape), dtype=torch.int16, device=place)
    facts, labels = resident.acquisition.to(place), resident.labels.to(place)

    def real() -> float:
        begun, seen = 0.0, 0
        for number, step in enumerate(run.steps(generator)):
            float(step.loss)
            if number == 0:  # the reader has started, as it has for all of an epoch but its first batch
                _wait(place)
                begun = perf_counter()
                continue
            seen += len(step.batch.rows)
            if number == batches:
                break
        _wait(place)
        return seen / (perf_counter() - begun)

    def alone() -> float:
        _wait(place)
        begun = perf_counter()
        for _ in range(batches):
            loss, norm = run.optimisation.step(crops, facts, labels)
            if place.type == "cpu":
                float(loss), float(norm)
        _wait(place)
        return batches * len(crops) / (perf_counter() - begun)

    if place.type == "cuda":
        torch.cuda.reset_peak_memory_stats(place)
    real(), alone()
    speeds = [(real(), alone()) if turn % 2 else (alone(), real())[::-1] for turn in range(rounds)]
    ratios = [one / other for one, other in speeds]
    return {
        "device": torch.cuda.get_device_name(place) if place.type == "cuda" else "CPU",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "arch": params.arch,
        "pixels": store.header.geometry.pixels,
        "batch": params.batch,
        "precision": params.precision,
        "compiled": compiled,
        "rounds": rounds,
        "batches_per_round": batches,
        "training_images_per_s": median(one for one, _ in speeds),
        "resident_images_per_s": median(other for _, other in speeds),
        "ratio": median(ratios),
        "ratios": ratios,
        "target_ratio": TARGET[place.type],
        "peak_device_memory_mb": (
            torch.cuda.max_memory_allocated(place) / 2**20 if place.type == "cuda" else None
        ),
        "peak_process_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def write_report(results: list[dict[str, object]], out: Path) -> None:
    """training_speed.json and .md."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "training_speed.json").write_text(json.dumps(results, indent=2))
    lines = [
        "# Speed of training",
        "",
        "Crops of random HU, not patients. Ratio: real training over the same steps on a resident batch, median of",
        "interleaved rounds. For comparison, NVIDIA publishes 2,470 images/s for ResNet50 training on one A100",
        "(AMP, 224 px, three 8-bit channels).",
        "",
        "| device | network | px | batch | precision | torch.compile | training, images/s | resident, images/s "
        "| ratio (range) | target | peak memory, MB |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for one in results:
        ratios = one["ratios"]
        assert isinstance(ratios, list)
        memory = one["peak_device_memory_mb"] or one["peak_process_memory_mb"]
        lines.append(
            f"| {one['device']} | {one['arch']} | {one['pixels']} | {one['batch']} | {one['precision']} "
            f"| {'yes' if one['compiled'] else 'no'} | {one['training_images_per_s']:.1f} "
            f"| {one['resident_images_per_s']:.1f} | {one['ratio']:.3f} ({min(ratios):.3f}-{max(ratios):.3f}) "
            f"| {one['target_ratio']} | {memory:.0f} |"
        )
    (out / "training_speed.md").write_text("\n".join(lines) + "\n")


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def main() -> int:
    """Command line; an error is one line and its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the report")
    parser.add_argument("--store", type=Path, help="a crop store; default: random crops")
    parser.add_argument("--profile", help="name under profiles in params.yaml")
    parser.add_argument("--gpu", action="store_true", help="224 px on a GPU, with and without torch.compile")
    parser.add_argument("--rounds", type=positive, default=5)
    parser.add_argument("--batches", type=positive, help="steps a round; default 6 on a CPU, 60 on a GPU")
    parser.add_argument(
        "--batch", type=at_least_two, help="crops a step; default: params.yaml's, 128 on a GPU"
    )
    options = parser.parse_args()
    if options.gpu and not torch.cuda.is_available():
        sys.stdout.write("no CUDA device here: the GPU benchmark is skipped\n")
        return 0
    try:
        _run(options)
    except OsteoGateError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"error: {error.filename or options.out}: not read or written {unwritten(error)}\n")
        return OsteoGateError.exit_code
    sys.stdout.write((options.out / "training_speed.md").read_text())
    return 0


def _run(options: argparse.Namespace) -> None:
    device = "cuda" if options.gpu else "cpu"
    params = load_section(ROOT / "params.yaml", "train", TrainParams, options.profile)
    params = params.model_copy(update={"batch": options.batch or (128 if options.gpu else params.batch)})
    batches = options.batches or (60 if options.gpu else 6)
    with tempfile.TemporaryDirectory() as folder:
        if options.store is not None:
            store = open_crop_store(find_crop_store(options.store))
        else:
            # 18 of the factory's 22 crops are train crops
            crops = int(params.batch * (batches + 2) * 22 / 18) + 22
            store = large_store(Path(folder) / "crops", crops, 224 if options.gpu else 96)
        results = [
            measure(store, params, device=device, rounds=options.rounds, batches=batches, compiled=compiled)
            for compiled in ((False, True) if options.gpu else (False,))
        ]
    write_report(results, options.out)


if __name__ == "__main__":
    sys.exit(main())
