"""What intake, validation and preparation cost per patient, and whether their memory grows with the cohort.

    osteogate simulate --profile paper --out COHORT      # 402 patients, 4.4 GB
    python -m tests.benchmarks.preparation_cost --cohort COHORT --work FOLDER --out build/benchmarks

The first 50, 100, 200 patients and all of them go through ingest, validate and prepare, each step in a process of its
own with two workers, so that peaks stand apart. --work keeps what was measured: what is interrupted goes on there, and
a step that was measured is not measured again (--again measures all). Nothing here passes or fails.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import SIMULATED_KEY
from components.ingest_dicom.run import run as ingest
from components.prepare_vertebrae.params import PrepareParams
from components.prepare_vertebrae.run import run as prepare
from components.train_resnet50.arguments import positive
from components.validate_dicom.params import ValidateParams
from components.validate_dicom.run import run as validate
from components.validate_dicom.tables import ACCEPTED_FILE
from models.errors import InputError
from models.params import load_section
from models.refusal import Code, refuse
from tests.benchmarks.process_memory import Cost, cost_of
from tests.benchmarks.report import Report, arguments, run

ROOT = Path(__file__).resolve().parents[2]
LIMIT_MB = 2000  # whatever the cohort's size
WORKERS = 2
SIZES = (50, 100, 200)  # and all
PROFILE = "paper"  # 402 patients, crops of 224 pixels


def measure(cohort: Path, work: Path, sizes: Sequence[int]) -> dict[str, dict[int, Cost]]:
    """Step to patients to cost; those that `work` holds already are taken from there.

    Raises
    ------
    RefusedError
        EMPTY_INPUT when the folder holds no patients.
    InputError
        `work` holds figures of another cohort.
    """
    everybody = sorted(path.name for path in (cohort / "series").glob("*"))
    if not everybody:
        raise refuse(Code.EMPTY_INPUT, f"{cohort}: no cohort of `osteogate simulate` in it")
    book = _Book.open(work, cohort)
    for size in sorted({min(size, len(everybody)) for size in (*sizes, len(everybody))}):
        part = work / f"{size}"
        if all(book.holds(name, size) for name in STEPS):
            continue
        take_part(cohort, part / "cohort", everybody[:size])
        for name, step in STEPS.items():
            if not book.holds(name, size):
                book.add(name, size, cost_of(step, part))
        shutil.rmtree(part)
    return book.costs


def take_part(cohort: Path, part: Path, patients: Sequence[str]) -> None:
    """A cohort folder of some patients: links to their series, and their rows of the DXA table."""
    shutil.rmtree(part / "series", ignore_errors=True)
    (part / "series").mkdir(parents=True)
    for patient in patients:
        (part / "series" / patient).symlink_to((cohort / "series" / patient).resolve())
    head, *rows = (cohort / "dxa.csv").read_text().splitlines()
    chosen = set(patients)
    kept = [row for row in rows if row.split(",", 1)[0] in chosen]
    (part / "dxa.csv").write_text("\n".join([head, *kept]) + "\n")


def _ingest(part: Path) -> None:
    ingest(
        data=part / "cohort", out=part / "intake", key=SIMULATED_KEY, params=IngestParams(workers=WORKERS),
        identity=part / "identity",
    )  # fmt: skip


def _validate(part: Path) -> None:
    validate(
        intake=part / "intake", dxa_csv=part / "cohort" / "dxa.csv", out=part / "validated", key=SIMULATED_KEY,
        params=load_section(ROOT / "params.yaml", "validate", ValidateParams, PROFILE), data_kind="simulated",
        data_version="benchmark",
    )  # fmt: skip


def _prepare(part: Path) -> None:
    path = ROOT / "params.yaml"
    own = load_section(path, "prepare", PrepareParams, PROFILE)
    # shares: the profile's numbers of patients fit the whole cohort only
    split = load_section(path, "prepare", PrepareParams).split.model_copy(update={"absent_vendor": "warn"})
    prepare(
        data=part / "cohort", intake=part / "identity", accepted=part / "validated" / ACCEPTED_FILE,
        out=part / "prepared", key=SIMULATED_KEY, params=own.model_copy(update={"split": split}),
        data_version="benchmark", data_kind="simulated", workers=WORKERS,
    )  # fmt: skip


STEPS: dict[str, Callable[[Path], None]] = {"ingest": _ingest, "validate": _validate, "prepare": _prepare}


class _Book:
    """What was measured of one cohort, on disk after every step."""

    def __init__(self, path: Path, cohort: str, costs: dict[str, dict[int, Cost]]) -> None:
        self.path, self.cohort, self.costs = path, cohort, costs

    @classmethod
    def open(cls, work: Path, cohort: Path) -> _Book:
        work.mkdir(parents=True, exist_ok=True)
        path, name = work / "measured.json", hashlib.sha256((cohort / "cohort.json").read_bytes()).hexdigest()
        if not path.exists():
            return cls(path, name, {step: {} for step in STEPS})
        read = json.loads(path.read_text())
        if read["cohort"] != name:
            raise InputError(f"{path}: figures of another cohort than {cohort}; name another --work")
        costs = {
            step: {int(size): Cost(**cost) for size, cost in found.items()}
            for step, found in read["costs"].items()
        }
        return cls(path, name, costs)

    def holds(self, step: str, size: int) -> bool:
        return size in self.costs[step]

    def add(self, step: str, size: int, cost: Cost) -> None:
        self.costs[step][size] = cost
        partial = self.path.with_name(".measured.partial")
        partial.write_text(json.dumps({"cohort": self.cohort, "costs": plain(self.costs)}, indent=2))
        partial.replace(self.path)


def plain(costs: dict[str, dict[int, Cost]]) -> dict[str, dict[str, dict[str, object]]]:
    """For JSON."""
    return {step: {str(size): asdict(cost) for size, cost in found.items()} for step, found in costs.items()}


def growth_mb(found: dict[int, Cost]) -> float | None:
    """Of all processes together, per patient: the slope of a line through the sizes; None of one size."""
    if len(found) < 2:
        return None
    return float(np.polyfit(list(found), [cost.together_mb for cost in found.values()], 1)[0])


def report_of(costs: dict[str, dict[int, Cost]]) -> Report:
    """The table: a row for each step and size."""
    rows = [
        (step, size, f"{cost.seconds:.1f}", f"{cost.seconds / size:.3f}", f"{cost.main_mb:.0f}",
         f"{cost.largest_child_mb:.0f}", cost.processes, f"{cost.together_mb:.0f}", LIMIT_MB)
        for step, found in costs.items()
        for size, cost in sorted(found.items())
    ]  # fmt: skip
    notes = [_growth_words(step, found) for step, found in costs.items() if len(found) > 1]
    growth = {step: growth_mb(found) for step, found in costs.items()}
    return Report(
        name="preparation_cost",
        title="Cost of intake, validation and preparation",
        words=(
            f"Simulated phantoms, not patients: 256 x 256 pixels, crops of profile {PROFILE}, {WORKERS} workers. "
            "Each step runs\nin a process of its own. Memory: peaks of resident memory in MB (10^6 bytes); together: "
            "the largest sum over\nall processes at one moment, in which what they share counts in each."
        ),
        columns=(
            "step", "patients", "seconds", "seconds a patient", "own process, MB", "largest worker, MB", "processes",
            "together, MB", "limit, MB",
        ),
        rows=rows,
        figures={"limit_mb": LIMIT_MB, "workers": WORKERS, "costs": plain(costs), "growth_mb_per_patient": growth},
        notes=notes,
    )  # fmt: skip


def _growth_words(step: str, found: dict[int, Cost]) -> str:
    growth, most = growth_mb(found), max(found)
    assert growth is not None
    said = f"{step}: memory grows by {round(1000 * growth)} kB a patient (line through {len(found)} sizes)"
    if growth <= 0:
        return said + "."
    reached = most + (LIMIT_MB - found[most].together_mb) / growth
    return said + f"; at that, {LIMIT_MB} MB would be reached at {round(reached, -2):,.0f} patients."


def _work(given: argparse.Namespace, scratch: Path) -> Report:
    work = given.work or scratch
    if given.again:
        (work / "measured.json").unlink(missing_ok=True)
    return report_of(measure(given.cohort, work, given.patients))


def main() -> int:
    """Command line; 0, or an error's exit code."""
    parser = arguments(__doc__)
    parser.add_argument("--cohort", type=Path, required=True, help="folder of `osteogate simulate`")
    parser.add_argument("--work", type=Path, help="folder for what the steps write; default: a temporary one")
    parser.add_argument(
        "--patients", type=positive, nargs="+", default=SIZES, help="sizes beside that of the cohort"
    )
    parser.add_argument("--again", action="store_true", help="measure anew what --work holds")
    return run(parser, _work)


if __name__ == "__main__":
    sys.exit(main())
