"""`osteogate`: one command, thin subcommands; errors become one line and an exit code."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from models.decision import DecisionRulesError
from models.errors import OsteoGateError, ParameterError
from pipelines.cli.logs import configure_logs
from pipelines.telemetry import TELEMETRY_OFF

app = typer.Typer(
    name="osteogate",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help=(
        "Bone density from the CT a hospital already has: who should get a DXA scan. Research use only; does not "
        "rule out low bone density.\n\nExit codes: 0 done, 1 internal error, 2 usage or parameters, 3 input refused, "
        "4 gate not passed (--require-promotion), 5 a service is not there, 6 drift found (--fail-on-drift), "
        "7 bounds of a study not met (--fail-on-unmet), 130 interrupted."
    ),
)

# command: (module, function); modules are imported when the command line is built, and themselves import
# torch, MLflow and the like only inside their functions, so that --help stays quick
COMMANDS = {
    "run": "run",
    "predict": "predict",
    "simulate": "simulate",
    "ingest": "ingest",
    "validate": "validate",
    "evaluate": "evaluate",
    "model-card": "model_card",
    "compile": "compile",
    "drift": "drift",
    "doctor": "doctor",
    "approve": "approve",
    "reject": "approve",
    "codes": "codes",
    "retention": "retention",
    "forget": "forget",
    "deidentify": "deidentify",
    "rotate-key": "rotate_key",
}
GROUPS = {"serve": "serve", "dashboard": "dashboard", "cohort": "cohort", "study": "study"}


def build() -> Callable[..., Any]:
    """The whole command line, as a callable that ends the process with an exit code."""
    for name, module in COMMANDS.items():
        function = getattr(importlib.import_module(f"pipelines.cli.{module}"), name.replace("-", "_"))
        app.command(name)(function)
    for name, module in GROUPS.items():
        app.add_typer(importlib.import_module(f"pipelines.cli.{module}").app, name=name)
    command: Callable[..., Any] = typer.main.get_command(app).main
    return command


def main() -> None:
    """Entry point of the console script; typer itself answers wrong usage (2) and an interrupt (130)."""
    os.environ.update(TELEMETRY_OFF)
    configure_logs()
    try:
        _refuse_shadowed_packages()
        build()(prog_name="osteogate")
    except OsteoGateError as error:
        _say(str(error))
        sys.exit(error.exit_code)
    except DecisionRulesError as error:  # travels with the served model, so it is no OsteoGateError
        _say(str(error))
        sys.exit(error.exit_code)
    except OSError as error:
        if error.filename is None:
            _say(f"internal error: {type(error).__name__}: {error} (details: {_keep_traceback()})")
            sys.exit(1)
        _say(f"{error.filename}: {error.strerror}; name a place that can be read and written")
        sys.exit(2)
    except Exception as error:  # noqa: BLE001 - the last line of defence: a traceback is a bug, but never shown raw
        _say(f"internal error: {type(error).__name__}: {error} (details: {_keep_traceback()})")
        sys.exit(1)


def _say(message: str) -> None:
    for line in message.splitlines():
        typer.echo(f"error: {line}", err=True)


def _refuse_shadowed_packages() -> None:
    """Say so if another installed package shadows one of our top folders."""
    root = Path(__file__).resolve().parents[2]
    for name in ("components", "monitoring", "models"):
        found = Path(str(importlib.import_module(name).__file__)).resolve()
        if root not in found.parents:
            raise ParameterError(
                f"package {name!r} comes from {found}, not from this checkout; uninstall that package"
            )


def _keep_traceback() -> Path | str:
    from pipelines.workspace import Workspace

    try:
        folder = Workspace.find().logs
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "internal-error.log"
        path.write_text(traceback.format_exc())
    except (OSError, OsteoGateError):
        return traceback.format_exc().strip().replace("\n", " / ")
    return path


if __name__ == "__main__":
    main()
