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
    """Copy a cohort into the layout of your own, without recorded truth; a site's is de-identified on the way."""
    from components.ingest_dicom.deidentify.run import deidentify_folder
    from components.ingest_dicom.pseudonym import Pseudonymiser, read_key
    from components.simulate_cohort.dataset import read_card
    from pipelines.own_cohort import export_cohort
    from pipelines.site_key import ensure_site_key
    from pipelines.workspace import Workspace

    workspace = Workspace.find()
    source = data or workspace.data
    card = read_card(source)
    if card["kind"] == "site" and "deidentified_with_key" not in card:
        ensure_site_key(workspace.site_key)
        copied = deidentify_folder(source, out, Pseudonymiser(read_key(workspace.site_key)))
        count = copied.dicom_copied + copied.tables_copied
        typer.echo(f"de-identified; {copied.files_refused} files left out: {copied.refused_by_code}")
    else:
        count = export_cohort(source, out)
    typer.echo(f"{out}: {count} files; next: osteogate run --data {out}")
