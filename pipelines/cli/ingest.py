"""`osteogate ingest`: bring CT from any source into a cohort folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.profile import Profile
from pipelines.cli.source import SOURCE_HELP, Login, Query


def ingest(
    source: Annotated[str, typer.Argument(help=SOURCE_HELP)],
    cohort: Annotated[Path, typer.Argument(help="Cohort folder; made where there is none.")],
    query: Query = None,
    login: Login = None,
    keep_originals: Annotated[
        bool | None,
        typer.Option(
            "--keep-originals/--deidentify",
            help="Copy files as they are, names, numbers and birth dates included, and mind the folder accordingly. "
            "Without either, ingest.deidentify of params.yaml decides: true.",
            show_default=False,
        ),
    ] = None,
    profile: Profile = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print counts and codes as JSON.")] = False,
) -> None:
    """Copy the CT series of a source, and the DICOM objects that hold their levels, into a cohort's series/.

    The copies name nobody (DICOM PS3.15 basic profile, as osteogate deidentify makes them): keyed PatientID and UIDs,
    dates moved by one number of days a patient. Text in pixels is refused with its code. Of a source in the layout of
    a cohort, dxa.csv and levels/ come along with the same pseudonyms and days; they may come alone, and later.

    Series are assembled from headers alone. An image that is there already is not copied again, so the command can be
    repeated, and goes on where it broke off. Everything that is not copied is counted with its code.
    """
    import json

    from components.ingest_dicom.params import IngestParams
    from components.ingest_dicom.pseudonym import Pseudonymiser, cohort_key
    from components.simulate_cohort.dataset import read_card
    from models.params import load_section
    from pipelines.cli.source import source_progress, the_source
    from pipelines.intake_tables import has_exams
    from pipelines.own_cohort import write_template
    from pipelines.site_key import ensure_site_key, refuse_retired_key
    from pipelines.take_in import take_in
    from pipelines.workspace import Workspace

    workspace = Workspace.find()
    params = load_section(workspace.params_file, "ingest", IngestParams, profile)
    if keep_originals is not None:
        params = params.model_copy(update={"deidentify": not keep_originals})
    chosen = the_source(source, query, login)
    if not cohort.exists() or (cohort.is_dir() and not any(cohort.iterdir())):
        write_template(cohort)
    kind = str(read_card(cohort)["kind"])
    if kind == "site":
        ensure_site_key(workspace.site_key)
        refuse_retired_key(cohort, workspace.site_key)
    pseudonymiser = Pseudonymiser(cohort_key(kind, workspace.site_key))
    with source_progress() as progress:
        taken = take_in(
            chosen,
            cohort,
            pseudonymiser=pseudonymiser,
            params=params,
            home=workspace.home,
            progress=progress,
        )
    if json_output:
        typer.echo(json.dumps(taken.as_dict()))
        return
    for line in taken.lines():
        typer.echo(line)
    fill = "" if has_exams(cohort) else f"fill {cohort / 'dxa.csv'}, then: "
    typer.echo(f"next: {fill}osteogate validate {cohort}")
