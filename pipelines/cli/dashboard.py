"""`osteogate dashboard`: MLflow's and Evidently's own pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from monitoring.service import ServiceState

app = typer.Typer(
    invoke_without_command=True, help="MLflow's and Evidently's pages: start (default), stop, status."
)


@app.callback()
def _default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        start()


@app.command()
def start(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    mlflow_port: Annotated[int, typer.Option(help="Usual port of MLflow.")] = 5000,
    evidently_port: Annotated[int, typer.Option(help="Usual port of Evidently.")] = 8010,
    json_output: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Start both (10-20 s) and say where they listen."""
    from monitoring.dashboards import start_dashboards
    from pipelines.workspace import Workspace

    workspace = Workspace.find()
    states = start_dashboards(
        home=workspace.home,
        mlflow_uri=workspace.mlflow_uri,
        evidently_workspace=workspace.evidently_workspace,
        host=host,
        mlflow_port=mlflow_port,
        evidently_port=evidently_port,
    )
    _print(dict(states), json_output)
    if not json_output:
        typer.echo("stop them with `osteogate dashboard stop`")


@app.command()
def stop() -> None:
    """Stop both; nothing is left behind."""
    from monitoring.dashboards import stop_dashboards
    from pipelines.workspace import Workspace

    for name, ran in stop_dashboards(Workspace.find().home).items():
        typer.echo(f"{name}: {'stopped' if ran else 'was not running'}")


@app.command()
def status(
    json_output: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """What runs and where; exit 5 unless both do."""
    from monitoring.dashboards import dashboard_status
    from pipelines.workspace import Workspace

    states = dashboard_status(Workspace.find().home)
    _print(states, json_output)
    if not all(states.values()):
        raise typer.Exit(5)


def _print(states: dict[str, ServiceState | None], json_output: bool) -> None:
    import json

    if json_output:
        facts = {
            name: {"url": state.url, "pid": state.pid, "log": str(state.log)} if state else None
            for name, state in states.items()
        }
        typer.echo(json.dumps(facts, indent=2))
        return
    for name, state in states.items():
        if state is None:
            typer.echo(f"{name}: not running; `osteogate dashboard` starts it")
            continue
        for usual, used in state.moved_ports().values():
            typer.echo(f"{name}: port {usual} is taken, using {used}")
        typer.echo(f"{name}: {state.url} (pid {state.pid}, log {state.log})")
