"""`osteogate simulate`: a cohort of digital phantoms as DICOM with a DXA table, or straight to crops."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.profile import Profile

REPORT_PATIENTS = 1000  # what the bands are meant for


def simulate(
    out: Annotated[
        Path | None,
        typer.Option(help="Folder to write; must not exist or be empty. With --report: runs/cohort_report."),
    ] = None,
    patients: Annotated[
        int | None, typer.Option(min=1, help="Default: params.yaml simulate.patients.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Default: params.yaml simulate.seed.")] = None,
    profile: Profile = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: one a core.")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing cohort folder.")
    ] = False,
    stream: Annotated[
        bool,
        typer.Option(
            "--stream",
            help="No DICOM: straight to a crop store (prepare's own crops, byte for byte) with the truth beside "
            "it. No planted defects; a patient who is refused is replaced. Goes on where it was interrupted.",
        ),
    ] = False,
    split: Annotated[
        str | None,
        typer.Option(help="With --stream: put everybody into train, validation, calibration or test."),
    ] = None,
    report: Annotated[
        bool,
        typer.Option(
            "--report",
            help="No images: hold 1,000 phantoms (or --patients) to published statistics, as a page and JSON; "
            "the exit code is 0 whether they are inside or not.",
        ),
    ] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Simulate patients: CT series of four vendors, DICOM SEG of L1-L4, DXA table, planted defects."""
    if report:
        if stream or overwrite or split is not None:
            raise typer.BadParameter(
                "makes no images: --stream, --split and --overwrite do not go with it", param_hint="--report"
            )
        _report(out, patients or REPORT_PATIENTS, seed, profile, workers, json_output)
        return
    if out is None:
        raise typer.BadParameter("name the folder to write the cohort to", param_hint="--out")
    if stream:
        _stream(out, patients, seed, profile, workers, overwrite, split, json_output)
        return
    if split is not None:
        raise typer.BadParameter(
            "is for --stream only; a cohort of files is split when it is prepared", param_hint="--split"
        )
    import dataclasses
    import json

    from rich.console import Console
    from rich.progress import Progress

    from components.simulate_cohort.cohort_folder import refuse_target
    from components.simulate_cohort.params import SimulateParams
    from components.simulate_cohort.simulate import simulate_cohort
    from models.params import load_section
    from pipelines.workspace import Workspace

    params = load_section(Workspace.find().params_file, "simulate", SimulateParams, profile)
    count = patients or params.patients
    refuse_target(out, overwrite=overwrite, document="cohort.json")
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("simulate", total=count)
        summary = simulate_cohort(
            patients=count,
            seed=params.seed if seed is None else seed,
            out=out,
            params=params,
            workers=workers,
            overwrite=overwrite,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    document = dataclasses.asdict(summary)
    if json_output:
        typer.echo(json.dumps(document, default=str))
        return
    typer.echo(f"{count} simulated patients in {out}")
    for key, value in document.items():
        typer.echo(f"  {key}: {value}")
    typer.echo(f"next: osteogate validate {out}")


def _stream(
    out: Path,
    patients: int | None,
    seed: int | None,
    profile: str | None,
    workers: int | None,
    overwrite: bool,
    split: str | None,
    json_output: bool,
) -> None:
    import dataclasses
    import json

    from rich.console import Console

    from components.prepare_vertebrae.stream import stream_cohort
    from pipelines.stage_progress import StageProgress
    from pipelines.streaming import stream_plan
    from pipelines.workspace import Workspace

    plan = stream_plan(Workspace.find().params_file, profile, patients=patients, seed=seed, split=split)
    with StageProgress(Console(stderr=True), "stream") as progress:
        summary = stream_cohort(plan, out, workers=workers, progress=progress, overwrite=overwrite)
    document = dataclasses.asdict(summary)
    if json_output:
        typer.echo(json.dumps(document, default=str))
        return
    typer.echo(f"{sum(summary.patients.values())} simulated patients in {out}: crops/ and latents.parquet")
    for key, value in document.items():
        typer.echo(f"  {key}: {value}")


def _report(
    out: Path | None,
    patients: int,
    seed: int | None,
    profile: str | None,
    workers: int | None,
    json_output: bool,
) -> None:
    import os

    from rich.console import Console
    from rich.progress import Progress

    from components.simulate_cohort.cohort_report import STATEMENT, write_report
    from components.simulate_cohort.nhanes import nhanes_tables
    from components.simulate_cohort.params import SimulateParams
    from models.params import load_section
    from pipelines.workspace import Workspace

    workspace = Workspace.find()
    params = load_section(workspace.params_file, "simulate", SimulateParams, profile)
    folder = out or workspace.runs / "cohort_report"
    archives = Path(os.environ.get("OSTEOGATE_REAL_DATA", workspace.root.parent / "shared" / "data"))
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("phantoms without CT", total=patients)

        def advance(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)
            if not console.is_terminal and done * 10 // total != max(done - 10, 0) * 10 // total:
                console.print(f"{done} of {total} phantoms")

        rows = write_report(
            patients=patients,
            seed=params.seed if seed is None else seed,
            out=folder,
            params=params,
            nhanes=nhanes_tables(archives),
            workers=workers,
            progress=advance,
        )
    if json_output:
        typer.echo((folder / "cohort_report.json").read_text(encoding="utf-8"), nl=False)
        return
    typer.echo(STATEMENT)
    for row in rows:
        p = row.published
        verdict = {True: "in ", False: "OUT", None: "few"}[row.inside]
        value = f"{row.simulated:.{p.digits}f} +- {row.standard_error:.{p.digits}f}"
        band = f"{p.low:.{p.digits}f} to {p.high:.{p.digits}f}"
        typer.echo(f"{verdict} {p.words}: {value} (band {band}; published {p.published})")
    typer.echo(f"page: {folder / 'cohort_report.html'}")
