"""`osteogate cohort`: bring one's own cohort."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Bring a cohort of your own (docs/own-cohort.md).")


@app.command()
def template(out: Annotated[Path, typer.Argument(help="Folder to make.")]) -> None:
    """Make an empty cohort folder with the DXA table's header."""
    from pipelines.own_cohort import write_template

    write_template(out)
    typer.echo(f"{out}: put DICOM series into series/, fill dxa.csv, then: osteogate validate {out}")


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="Folder to make.")],
    data: Annotated[Path | None, typer.Option(help="Cohort to copy; default: the pinned data set.")] = None,
) -> None:
    """Copy a cohort into the layout of your own, without recorded truth."""
    from pipelines.own_cohort import export_cohort
    from pipelines.workspace import Workspace

    count = export_cohort(data or Workspace.find().data, out)
    typer.echo(f"{out}: {count} files; next: osteogate run --data {out}")
