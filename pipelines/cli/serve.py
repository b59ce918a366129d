"""`osteogate serve`: the real tritonserver with the model that the registry's alias names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.profile import Profile

if TYPE_CHECKING:
    from monitoring.service import ServiceState

app = typer.Typer(no_args_is_help=True, help="The model server (Triton): start, stop, status, rollback.")


@app.command()
def start(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets others in.")] = "127.0.0.1",
    grpc_port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="Usual gRPC port; params.yaml's.")
    ] = None,
    profile: Profile = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Serve the champion: download it if need be, start Triton if need be, and ask a golden inference."""
    from components.deploy_triton.mlflow_registry import MlflowRegistry
    from components.deploy_triton.params import DeployParams
    from components.deploy_triton.serve_champion import serve_champion
    from models.params import load_section
    from pipelines.workspace import Workspace

    workspace = Workspace.find()
    params = load_section(workspace.params_file, "deploy", DeployParams, profile)
    ports = params.ports.model_dump()
    if grpc_port is not None:
        ports["grpc"] = grpc_port
    served = serve_champion(
        registry=MlflowRegistry(workspace.mlflow_uri),
        home=workspace.home,
        environment=workspace.triton_environment,
        repository=workspace.model_repository,
        params=params,
        host=host,
        ports=ports,
    )
    if json_output:
        _print_json({**_facts(served.state), "version": served.version, "golden": served.golden.model_dump()})
        return
    _print_state(served.state)
    typer.echo(
        f"serving osteogate version {served.version}; golden inference agrees within "
        f"{served.golden.bmd_difference_g_cm2:.1g} g/cm2 and {served.golden.tbs_difference:.1g} TBS"
    )
    typer.echo("stop it with `osteogate serve stop`")


@app.command()
def stop() -> None:
    """Drain and stop the server; nothing is left behind."""
    from components.deploy_triton.server import stop_triton
    from pipelines.workspace import Workspace

    typer.echo("stopped" if stop_triton(Workspace.find().home) else "Triton was not running")


@app.command()
def status(
    profile: Profile = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Whether it runs, where it listens, and whether it answers a golden inference; exit 5 if not."""
    from components.deploy_triton.params import DeployParams
    from components.deploy_triton.serve_champion import probe_served
    from components.deploy_triton.server import status_triton
    from models.errors import OsteoGateError
    from models.params import load_section
    from pipelines.workspace import Workspace

    workspace = Workspace.find()
    state = status_triton(workspace.home)
    if state is None:
        if json_output:
            _print_json({"running": False})
        else:
            typer.echo("Triton is not running; `osteogate serve start` starts it")
        raise typer.Exit(5)
    params = load_section(workspace.params_file, "deploy", DeployParams, profile)
    try:
        golden = probe_served(state, workspace.model_repository, params)
        trouble = None
    except OsteoGateError as error:
        golden, trouble = None, str(error)
    if json_output:
        facts = {**_facts(state), "running": True, "answers": golden is not None, "trouble": trouble}
        _print_json({**facts, "version": golden.version if golden else None})
    else:
        _print_state(state)
        said = f"answers right, version {golden.version}" if golden else f"does not answer right: {trouble}"
        typer.echo(said)
    if golden is None:
        raise typer.Exit(5)


@app.command()
def rollback(profile: Profile = None) -> None:
    """Let the version before the champion serve again, and the alias name it."""
    from components.deploy_triton.mlflow_registry import MlflowRegistry
    from components.deploy_triton.params import DeployParams
    from components.deploy_triton.serve_champion import roll_back
    from models.params import load_section
    from pipelines.workspace import Workspace

    workspace = Workspace.find()
    before, now = roll_back(
        registry=MlflowRegistry(workspace.mlflow_uri),
        home=workspace.home,
        repository=workspace.model_repository,
        params=load_section(workspace.params_file, "deploy", DeployParams, profile),
    )
    typer.echo(f"champion is version {now} again (was {before})")


def _facts(state: ServiceState) -> dict[str, object]:
    return {
        "pid": state.pid,
        "host": state.host,
        "ports": state.ports,
        "url": state.url,
        "log": str(state.log),
    }


def _print_state(state: ServiceState) -> None:
    for role, (usual, used) in state.moved_ports().items():
        typer.echo(f"port {usual} ({role}) is taken, using {used}")
    host, ports = state.host, state.ports
    typer.echo(f"Triton (pid {state.pid}): gRPC {host}:{ports['grpc']}, HTTP http://{host}:{ports['http']}")
    typer.echo(f"metrics http://{host}:{ports['metrics']}/metrics, log {state.log}")


def _print_json(document: dict[str, object]) -> None:
    import json

    typer.echo(json.dumps(document, indent=2))
