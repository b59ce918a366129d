"""What validation and preparation cost per patient, and whether their memory grows with the cohort.

    python -m tests.benchmarks.preparation_cost --cohort data --out build/benchmarks
    python -m tests.benchmarks.preparation_cost --cohort data --out build/benchmarks --patients 8

The cohort is ingested and validated once; then a quarter of the accepted patients is prepared, and all of them, each
in a process of its own, so that the peaks stand apart. Growth a patient is the difference of the two; from it follows
at how many patients 2 GB would be reached. Nothing here passes or fails on time.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import pandas as pd

from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import SIMULATED_KEY
from components.ingest_dicom.run import run as ingest
from components.prepare_vertebrae.params import PrepareParams
from components.prepare_vertebrae.run import run as prepare
from components.validate_dicom.params import ValidateParams
from components.validate_dicom.run import run as validate
from components.validate_dicom.tables import ACCEPTED_FILE, write_table
from models.errors import OsteoGateError
from models.params import load_section
from models.write_failure import unwritten

ROOT = Path(__file__).resolve().parents[2]
LIMIT_MB = 2000  # whatever the cohort's size
WORKERS = 2


def measure(cohort: Path, work: Path, *, patients: int | None) -> dict[str, Any]:
    """Costs of a cohort folder of phantoms.

    Parameters
    ----------
    work
        Empty folder for what the steps write.
    patients
        At most so many accepted patients are prepared; None: all.
    """
    ingest(
        data=cohort, out=work / "intake", key=SIMULATED_KEY, params=IngestParams(workers=WORKERS),
        identity=work / "identity",
    )  # fmt: skip
    validated = _apart(_validate, cohort, work)
    table = pd.read_parquet(work / "validated" / ACCEPTED_FILE).head(patients)
    quarter = table.head(max(1, len(table) // 4))
    few = _apart(_prepare, cohort, work, quarter, "quarter")
    all_ = _apart(_prepare, cohort, work, table, "all")
    more = len(table) - len(quarter)
    growth = max(0.0, (all_["main_mb"] - few["main_mb"]) / more) if more else 0.0
    return {
        "patients": len(table),
        "validate_s": validated["seconds"],
        "validate_peak_mb": validated["main_mb"],
        "prepare_s_per_patient": round(all_["seconds"] / len(table), 3),
        "prepare_peak_mb": all_["main_mb"],
        "prepare_worker_peak_mb": all_["worker_mb"],
        "prepare_peak_mb_of_a_quarter": few["main_mb"],
        "workers": WORKERS,
        "growth_kb_per_patient": round(growth * 1000, 1),
        "patients_at_2_gb": int((LIMIT_MB - all_["main_mb"] - WORKERS * all_["worker_mb"]) / growth)
        if growth
        else None,
        "limit_mb": LIMIT_MB,
        "cpus": len(os.sched_getaffinity(0)),
        "load_1_min": round(os.getloadavg()[0], 1),
    }


def _validate(cohort: Path, work: Path) -> None:
    params = load_section(ROOT / "params.yaml", "validate", ValidateParams)
    validate(
        intake=work / "intake", dxa_csv=cohort / "dxa.csv", out=work / "validated", key=SIMULATED_KEY,
        params=params, data_kind="simulated", data_version="benchmark",
    )  # fmt: skip


def _prepare(cohort: Path, work: Path, accepted: pd.DataFrame, name: str) -> None:
    folder = work / name
    folder.mkdir()
    write_table(accepted, folder / ACCEPTED_FILE)
    own = load_section(ROOT / "params.yaml", "prepare", PrepareParams)
    params = own.model_copy(update={"split": own.split.model_copy(update={"absent_vendor": "warn"})})
    prepare(
        data=cohort, intake=work / "identity", accepted=folder / ACCEPTED_FILE, out=folder / "prepared",
        key=SIMULATED_KEY, params=params, data_version="benchmark", data_kind="simulated", workers=WORKERS,
    )  # fmt: skip


def _apart(step: Callable[..., None], *arguments: object) -> dict[str, float]:
    """Seconds and peak memory (MB of the process, and of its largest worker) of a step in a process of its own."""
    context = multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    process = context.Process(target=_timed, args=(results, step, arguments))
    process.start()
    process.join()
    if process.exitcode != 0:
        raise OsteoGateError(
            f"{step.__name__.strip('_')}: ended with {process.exitcode}; its own words stand above"
        )
    found: dict[str, float] = results.get()
    return found


def _timed(results: Any, step: Callable[..., None], arguments: tuple[object, ...]) -> None:
    start = perf_counter()
    step(*arguments)
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    main = _peak_kb()
    results.put(
        {
            "seconds": round(perf_counter() - start, 3),
            "main_mb": round(main / 1024, 1),
            "worker_mb": round(worker / 1024, 1),
        }
    )


def _peak_kb() -> int:
    """Of this process alone: getrusage's peak starts at that of the process that started this one."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def write_report(result: dict[str, Any], folder: Path) -> None:
    """`preparation_cost.json` and `preparation_cost.md`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "preparation_cost.json").write_text(json.dumps(result, indent=2) + "\n")
    rows = "".join(f"| {name.replace('_', ' ')} | {value} |\n" for name, value in result.items())
    (folder / "preparation_cost.md").write_text(
        "# Cost of validation and preparation\n\nSimulated phantoms, not patients. A load above the number of CPUs "
        "means that the machine was not quiet:\nseconds then await one that is; memory does not depend on it.\n\n"
        f"| what | found |\n|---|---|\n{rows}"
    )


def main() -> int:
    """Command line; 0, or an error's exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cohort", type=Path, required=True, help="folder of `osteogate simulate`")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--patients", type=_count, help="prepare at most so many")
    given = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as work:
            result = measure(given.cohort, Path(work), patients=given.patients)
        write_report(result, given.out)
    except OsteoGateError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    except OSError as error:
        print(f"error: {given.out}: not written {unwritten(error)}", file=sys.stderr)  # noqa: T201
        return 2
    print(f"{result['prepare_s_per_patient']} s a patient; {given.out / 'preparation_cost.md'}")  # noqa: T201
    return 0


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}; accepted: a whole number from 1")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
