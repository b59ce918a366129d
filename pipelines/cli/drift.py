"""`osteogate drift`: the prediction log's current period against the reference, per vendor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.profile import Profile

if TYPE_CHECKING:
    from datetime import datetime

    from components.detect_drift.summary import DriftSummary
    from monitoring.params import MonitorParams
    from pipelines.workspace import Workspace


def drift(
    since: Annotated[
        str | None,
        typer.Option(help="Start of the current period, YYYY-MM-DD or with time (UTC unless it says)."),
    ] = None,
    until: Annotated[str | None, typer.Option(help="End of it, not included; now by default.")] = None,
    fail_on_drift: Annotated[
        bool, typer.Option("--fail-on-drift", help="Exit 6 when a vendor drifted or is new.")
    ] = False,
    shift: Annotated[
        list[str] | None,
        typer.Option(
            help="Rehearse a calibration shift, e.g. GE=10 (HU), on simulated traffic; may be repeated. "
            "Asks the running Triton; the prediction log is left alone."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the pages; default: .osteogate/drift/latest.")
    ] = None,
    log_url: Annotated[
        str | None, typer.Option(help="Prediction log as a SQLAlchemy URL; default: the workspace's.")
    ] = None,
    profile: Profile = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the verdicts as JSON.")] = False,
) -> None:
    """Name the scanner vendors whose images or answers have drifted from the reference month."""
    import os

    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: small frames are slower on more threads
    from components.detect_drift.compare_log import compare_log
    from models.errors import DriftFoundError, ParameterError
    from models.params import load_section
    from monitoring.params import MonitorParams
    from pipelines.workspace import Workspace

    workspace = Workspace.find()
    monitor = load_section(workspace.params_file, "monitor", MonitorParams, profile)
    if shift:
        if since or until:
            raise ParameterError(
                "--shift rehearses a simulated period; --since and --until do not apply to it"
            )
        summary = _rehearse(
            workspace, monitor, _shifts(shift), out or workspace.home / "drift" / "rehearsal", profile
        )
    else:
        summary = compare_log(
            log_url=log_url or workspace.prediction_log_url,
            references=workspace.home / "drift",
            out=out or workspace.home / "drift" / "latest",
            monitor=monitor,
            since=_moment("--since", since),
            until=_moment("--until", until),
            workspace=workspace.evidently_workspace,
        )
    _show(summary, json_output)
    if fail_on_drift and summary.found:
        raise DriftFoundError(summary.judgement.words())


def _show(summary: DriftSummary, json_output: bool) -> None:
    if json_output:
        typer.echo(summary.report.read_text())
        return
    typer.echo(f"model version {summary.model_version}: {summary.judgement.words()}")
    for verdict in summary.judgement.vendors:
        typer.echo(f"  {verdict.words()}")
    for note in summary.notes:
        typer.echo(f"note: {note}")
    if summary.data_kind == "simulated":
        typer.echo("note: simulated phantoms, not patients")
    typer.echo(f"page: {summary.page}")


def _rehearse(
    workspace: Workspace, monitor: MonitorParams, shifts: dict[str, float], out: Path, profile: str | None
) -> DriftSummary:
    from rich.console import Console
    from rich.progress import Progress

    from components.deploy_triton.client import TritonClient
    from components.deploy_triton.server import triton_url
    from components.detect_drift.compare_log import reference_file
    from components.detect_drift.run import run, served_version
    from components.prepare_vertebrae.params import PrepareParams
    from components.simulate_cohort.params import SimulateParams
    from models.params import load_section

    url = triton_url(workspace.home)
    with TritonClient(url, repository=workspace.model_repository) as client:
        version = served_version(client)
        rules = client.decision_folder(version)
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("simulated studies", total=None)
        return run(
            triton_url=url,
            log_url=workspace.prediction_log_url,
            reference_out=reference_file(workspace.home / "drift", version),
            out=out,
            simulate_params=load_section(workspace.params_file, "simulate", SimulateParams, profile),
            prepare_params=load_section(workspace.params_file, "prepare", PrepareParams, profile),
            monitor=monitor,
            rules=rules,
            hu_shift=shifts,
            cache=workspace.cache / "traffic",
            workspace=None,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )


def _shifts(values: list[str]) -> dict[str, float]:
    from models.errors import ParameterError

    shifts = {}
    for value in values:
        vendor, _, number = value.partition("=")
        try:
            hu = float(number)
        except ValueError:
            hu = float("nan")
        if not vendor or not -200 <= hu <= 200:
            raise ParameterError(f"--shift {value}: expected VENDOR=HU with HU from -200 to 200, e.g. GE=10")
        shifts[vendor] = hu
    return shifts


def _moment(option: str, text: str | None) -> datetime | None:
    from datetime import UTC, datetime

    from models.errors import ParameterError

    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ParameterError(f"{option} {text}: expected YYYY-MM-DD or YYYY-MM-DDTHH:MM") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
