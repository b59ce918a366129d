"""`osteogate validate`: judge a cohort folder without training on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.profile import Profile


def validate(
    folder: Annotated[Path, typer.Argument(help="Cohort folder: cohort.json, dxa.csv, series/.")],
    out: Annotated[
        Path | None, typer.Option(help="Where reports go; default: .osteogate/validation/<folder>.")
    ] = None,
    profile: Profile = None,
    json_output: Annotated[
        bool, typer.Option("--json", help="Print counts, codes and the choice of series as JSON.")
    ] = False,
) -> None:
    """Check every DICOM series and DXA exam; a coded reason for everything not accepted."""
    import json
    import shutil

    from rich.console import Console
    from rich.progress import Progress

    from components.ingest_dicom.params import IngestParams
    from components.ingest_dicom.pseudonym import cohort_key
    from components.segment_levels.params import SegmentParams
    from components.simulate_cohort.dataset import read_card
    from components.validate_dicom.accepted_batches import FILE_NAME
    from components.validate_dicom.params import ValidateParams
    from models.params import load_section
    from pipelines.site_key import ensure_site_key, refuse_retired_key
    from pipelines.workspace import Workspace

    workspace = Workspace.find()
    kind = str(read_card(folder)["kind"])
    # what takes seconds to load, once there is a cohort
    from components.ingest_dicom.run import run as ingest
    from components.validate_dicom.choice_table import mixed_only
    from components.validate_dicom.run import run as check

    if kind == "site":
        ensure_site_key(workspace.site_key)
        refuse_retired_key(folder, workspace.site_key)
    key = cohort_key(kind, workspace.site_key)
    target = out or workspace.home / "validation" / folder.resolve().name
    intake = target / "intake"
    shutil.rmtree(intake, ignore_errors=True)
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("read", total=None)
        ingest(
            data=folder,
            out=intake,
            key=key,
            params=load_section(workspace.params_file, "ingest", IngestParams, profile),
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    summary = check(
        intake=intake,
        dxa_csv=folder / "dxa.csv",
        out=target / "report",
        key=key,
        params=load_section(workspace.params_file, "validate", ValidateParams, profile),
        data_kind=kind,
        data_version="unpinned",
        batches=workspace.home / "validation" / FILE_NAME,
        levels_follow=load_section(workspace.params_file, "segment", SegmentParams, profile).engine
        is not None,
    )
    if json_output:
        document = {
            "counts": summary.counts,
            "codes": summary.codes,
            "vendor_mix": summary.vendor_mix,
            "series_choice": summary.decisions,
        }
        typer.echo(json.dumps(document))
        return
    for name, count in summary.counts.items():
        typer.echo(f"{name}: {count}")
    for code, count in summary.codes.items():
        typer.echo(f"  {code}: {count}")
    typer.echo(f"vendors against the last accepted batch: {summary.vendor_mix}")
    chosen = mixed_only(list(summary.decisions))
    if chosen:
        typer.echo("patients with several series:")
    for line in chosen:
        typer.echo(f"  {line['patient'][:12]} {line['series'][:12]} {line['decision']}: {line['why']}")
    typer.echo(f"summary page: {target / 'report' / 'summary.html'}")
