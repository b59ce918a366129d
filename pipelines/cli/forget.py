"""`osteogate forget`: everything held of one patient, and its deletion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pipelines.retention.forget import Account
    from pipelines.workspace import Workspace


def forget(
    patient_id: Annotated[
        str, typer.Argument(help="PatientID as the DICOM files have it; - reads it from standard input.")
    ],
    study: Annotated[
        list[str] | None,
        typer.Option(help="StudyInstanceUID of an answer to delete: the log knows studies, no patients."),
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Delete it.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Find everything held of one patient by keyed hash; delete it with --apply, and say what stays and why."""
    import json
    import sys
    from contextlib import nullcontext

    from pipelines.local_run import only_run
    from pipelines.retention.forget import account_of
    from pipelines.retention.forget import forget as carry_out
    from pipelines.workspace import Workspace

    workspace = Workspace.find()
    wanted = sys.stdin.readline() if patient_id == "-" else patient_id
    with only_run(workspace) if apply else nullcontext():
        account = account_of(workspace, wanted, tuple(study or ()))
        if apply and account.held:
            carry_out(workspace, account)
    document = _document(account, workspace, applied=apply)
    if json_output:
        typer.echo(json.dumps(document, indent=2))
        return
    if not account.held:
        typer.echo("nothing is held of this patient here")
    for name, count in document["goes"].items():
        typer.echo(f"{'deleted' if apply else 'would go'}: {name}: {count}")
    for line in document["stays"]:
        typer.echo(f"stays: {line}")
    for line in document["elsewhere"]:
        typer.echo(f"not looked at: {line}")
    if account.held and not apply:
        typer.echo("nothing was deleted; delete with: osteogate forget PATIENT_ID --apply")


def _document(account: Account, workspace: Workspace, *, applied: bool) -> dict[str, Any]:
    from pipelines.retention.traces import STAYS, Trace

    stays = []
    for item in account.found:
        if item.trace not in STAYS:
            continue
        root = workspace.home if workspace.home in item.path.parents else workspace.runs
        place = item.path.parent.relative_to(root).as_posix()
        stays.append(
            {
                Trace.MODEL: f"the model in {place} was trained or calibrated on the patient, and keeps the keyed hash "
                "so that nobody is tested whom it has seen; retrain without the patient's data: osteogate run --fresh",
                Trace.GOLDEN: f"the golden set in {place} holds {item.count} crops of the patient; deploying a new "
                "model replaces it",
                Trace.DATABASE: f"{item.path.name} holds a keyed hash of the patient {item.count} times; not edited",
            }[item.trace]
        )
    goes = {
        name: count
        for name, count in account.counts().items()
        if count and name not in {x.value for x in STAYS}
    }
    elsewhere = [
        f"{account.source_file_count} CT files of the patient in {folder} and the patient's rows of its dxa.csv: "
        "delete them there, or the next run reads them again"
        for folder in account.source_folders or (("the cohort folder",) if account.source_file_count else ())
    ]
    elsewhere += [
        "folders that commands were told to write to (--out), copies and backups",
        "answers to studies that no run ingested: name them with --study STUDY_UID",
    ]
    return {"schema_version": 1, "applied": applied, "goes": goes, "stays": stays, "elsewhere": elsewhere}
