"""`osteogate simulate`: a cohort of digital phantoms as DICOM with a DXA table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.profile import Profile


def simulate(
    out: Annotated[Path, typer.Option(help="Folder to write; must not exist or be empty.")],
    patients: Annotated[
        int | None, typer.Option(min=1, help="Default: params.yaml simulate.patients.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Default: params.yaml simulate.seed.")] = None,
    profile: Profile = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: one a core.")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing cohort folder.")
    ] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Simulate patients: CT series of four vendors, DICOM SEG of L1-L4, DXA table, planted defects."""
    import dataclasses
    import json

    from rich.console import Console
    from rich.progress import Progress

    from components.simulate_cohort.params import SimulateParams
    from components.simulate_cohort.simulate import CohortExistsError, simulate_cohort
    from models.params import load_section
    from pipelines.workspace import Workspace

    params = load_section(Workspace.find().params_file, "simulate", SimulateParams, profile)
    count = patients or params.patients
    if overwrite and out.is_dir() and any(out.iterdir()) and not (out / "cohort.json").is_file():
        raise CohortExistsError(f"{out}: holds no cohort, and is left alone; name a new folder")
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
