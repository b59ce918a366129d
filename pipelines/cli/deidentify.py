"""`osteogate deidentify`: a copy of DICOM or of a cohort that names nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def deidentify(
    source: Annotated[
        Path, typer.Argument(help="Folder of DICOM, a cohort folder (docs/own-cohort.md), or one file.")
    ],
    out: Annotated[Path, typer.Argument(help="Folder to make; an interrupted copy is gone on with.")],
    json_output: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Copy CT, segmentations and structure sets without their patients (DICOM PS3.15 basic profile).

    Kept: device and technique, sex, age (90 from 90 on), words of radiology in descriptions. Dates move by one
    number of whole days a patient, UIDs and PatientID become keyed ones, so that segmentations, tables of a cohort and
    days between CT and DXA still fit. Refused with a code: secondary captures, text burned into pixels, any other
    object. Exit codes: 3 nothing could be copied.
    """
    import json

    from rich.console import Console

    from components.ingest_dicom.deidentify.run import MANIFEST, deidentify_folder
    from components.ingest_dicom.pseudonym import Pseudonymiser, read_key
    from models.refusal import Code, refuse
    from pipelines.site_key import ensure_site_key
    from pipelines.stage_progress import StageProgress
    from pipelines.workspace import Workspace

    workspace = Workspace.find()
    ensure_site_key(workspace.site_key)
    pseudonymiser = Pseudonymiser(read_key(workspace.site_key))
    identity = workspace.home / "intake" / "deidentified" / f"{pseudonymiser.uid(str(out.resolve()))}.json"
    with StageProgress(Console(stderr=True), "de-identify") as progress:
        summary = deidentify_folder(source, out, pseudonymiser, identity=identity, progress=progress)
    if json_output:
        typer.echo(json.dumps(vars(summary)))
    else:
        for name, value in vars(summary).items():
            if name != "refused_by_code":
                typer.echo(f"{name}: {value}")
        for code, count in summary.refused_by_code.items():
            typer.echo(f"  {code}: {count}")
        typer.echo(f"manifest: {out / MANIFEST}; which file each hash is (stays here): {identity}")
    if not summary.dicom_copied:
        raise refuse(Code.EMPTY_INPUT, f"none of {summary.files_read} files could be copied")
