"""`osteogate approve` and `osteogate reject`: a person's word on a model that passed the gate."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipelines.carry_out import Show
    from pipelines.manifest import Manifest

Run = Annotated[
    str, typer.Argument(help="Run id, 'latest', or the model's version as the decision page names it.")
]
By = Annotated[str, typer.Option("--by", help="Your name, as it will stand in the record.")]
Json = Annotated[bool, typer.Option("--json", help="Print the run's manifest as JSON.")]


def approve(run: Run, by: By, json_output: Json = False) -> None:
    """Approve a model that passed the gate and awaits a person: recorded (who, when, what), then deployed."""
    from pipelines.approval import approve as said
    from pipelines.workspace import Workspace

    workspace = Workspace.find()
    _follow(lambda show: said(workspace, run, by, show), json_output)


def reject(
    run: Run,
    by: By,
    why: Annotated[str, typer.Option("--why", help="Reason, in a line; no patient data.")],
    json_output: Json = False,
) -> None:
    """Say that a model that passed the gate is not to be deployed, and why: recorded, and shown on its page."""
    from pipelines.approval import reject as said
    from pipelines.workspace import Workspace

    workspace = Workspace.find()
    _follow(lambda show: said(workspace, run, by, why, show), json_output)


def _follow(work: Callable[[Show], Manifest], json_output: bool) -> None:
    from rich.console import Console

    from pipelines.carry_out import RunFailedError
    from pipelines.run_progress import RunProgress
    from pipelines.run_summary import print_summary

    console = Console(stderr=json_output)
    try:
        with RunProgress(console) as progress:
            manifest = work(progress.show)
    except RunFailedError as error:
        print_summary(error.manifest, console)
        raise
    if json_output:
        typer.echo(manifest.model_dump_json(indent=2))
    else:
        print_summary(manifest, console)
