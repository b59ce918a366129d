"""`osteogate run`: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.profile import Profile


def run(
    params: Annotated[
        Path | None, typer.Option(help="Parameters; the checkout's params.yaml by default.")
    ] = None,
    profile: Profile = None,
    policy: Annotated[
        str | None,
        typer.Option(help="Gate policy: demo or production; default: params.yaml gate.default_policy."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="A cohort of your own (docs/own-cohort.md); default: the data set of data.dvc."),
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on with the latest run from its finished steps.")] = False,
    fresh: Annotated[bool, typer.Option(help="Run every step again, whatever is unchanged.")] = False,
    accept_changed_data: Annotated[
        bool,
        typer.Option(
            "--accept-changed-data", help="Pin the data set anew when its hash differs from data.dvc."
        ),
    ] = False,
    without_champion: Annotated[
        bool,
        typer.Option("--without-champion", help="Judge without the champion (it takes other crops, say)."),
    ] = False,
    require_promotion: Annotated[
        bool, typer.Option("--require-promotion", help="Exit 4 when the gate does not pass.")
    ] = False,
    json_output: Annotated[
        bool, typer.Option("--json", help="Print the manifest as JSON instead of tables.")
    ] = False,
) -> None:
    """Data, validation, crops, training, evaluation, gate, deployment, drift; unchanged steps are reused."""
    from rich.console import Console

    from models.errors import NotPromotedError
    from models.params import load_section
    from pipelines.local_run import RunFailedError, RunOptions, run_pipeline
    from pipelines.retention.disk import disk_use
    from pipelines.retention.params import RetentionParams
    from pipelines.run_progress import RunProgress
    from pipelines.run_summary import print_summary
    from pipelines.workspace import Workspace

    workspace = Workspace.find()
    options = RunOptions(
        params_file=params or workspace.params_file,
        policy=policy,
        profile=profile,
        data_folder=data,
        accept_changed_data=accept_changed_data,
        resume=resume,
        fresh=fresh,
        without_champion=without_champion,
    )
    use = disk_use(workspace, load_section(options.params_file, "retention", RetentionParams, profile))
    if use.over:
        typer.echo(f"warning: {use.line()}; osteogate retention lists what may go", err=True)
    console = Console(stderr=json_output)
    try:
        with RunProgress(console) as progress:
            manifest = run_pipeline(workspace, options, progress.show)
    except RunFailedError as error:
        print_summary(error.manifest, console)
        raise
    if json_output:
        typer.echo(manifest.model_dump_json(indent=2))
    else:
        print_summary(manifest, console)
    if require_promotion and not manifest.gate.get("promoted"):
        raise NotPromotedError(
            f"gate: {manifest.gate.get('state', 'not reached')} under policy {manifest.policy!r}: "
            f"{'; '.join(manifest.gate.get('reasons', []))}"
        )
