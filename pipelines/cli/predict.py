"""`osteogate predict`: the answer for one patient's CT."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.profile import Profile
from pipelines.cli.source import SOURCE_HELP, Login, Query


def predict(
    image: Annotated[str, typer.Argument(help=f"One study or series. {SOURCE_HELP} Or a NIfTI file.")],
    levels: Annotated[
        Path | None,
        typer.Option(
            help="Where L1-L4 are: DICOM SEG or RTSTRUCT, label map (.nii.gz), CSV table of body centres."
        ),
    ] = None,
    level_scheme: Annotated[
        str | None,
        typer.Option(
            help="Numbering of a label map: totalseg, totalseg_v1, totalseg_v3, verse; never guessed."
        ),
    ] = None,
    kvp: Annotated[float | None, typer.Option(help="Tube voltage; must be stated for NIfTI.")] = None,
    age: Annotated[float | None, typer.Option(help="Years; where the header does not say.")] = None,
    sex: Annotated[str | None, typer.Option(help="F or M; where the header does not say.")] = None,
    query: Query = None,
    login: Login = None,
    profile: Profile = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
    figure: Annotated[
        Path | None, typer.Option(help="PNG of the sagittal slice with the crops where they were taken.")
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(help="host:port of Triton's gRPC; default: the one `osteogate serve` started."),
    ] = None,
) -> None:
    """Flag or no flag for one CT, with estimated BMD and TBS. Research use only.

    Asks the running Triton (`osteogate serve start`). Lumbar spine only; does not rule out low bone density.
    Exit codes: 3 input refused (with its codes), 5 no Triton.
    """
    import json
    import time

    from components.deploy_triton.client import TritonClient
    from components.deploy_triton.params import DeployParams
    from components.deploy_triton.server import triton_url
    from components.ingest_dicom.pseudonym import Pseudonymiser, read_key
    from components.ingest_dicom.source import open_source
    from models.params import load_section
    from models.refusal import RefusedError
    from monitoring.prediction_log import PredictionLog
    from monitoring.prediction_row import Source
    from pipelines.cli.source import source_progress, the_source
    from pipelines.gateway.answer import refused_as_dict
    from pipelines.gateway.answer_log import prediction_row
    from pipelines.gateway.figure import write_figure
    from pipelines.gateway.inference import ask
    from pipelines.gateway.preparation import PreparedStudy, prepare_study
    from pipelines.gateway.settings import GatewayParams
    from pipelines.gateway.stated import Stated
    from pipelines.site_key import ensure_site_key
    from pipelines.workspace import Workspace

    workspace = Workspace.find()
    ensure_site_key(workspace.site_key)
    pseudonymiser = Pseudonymiser(read_key(workspace.site_key))
    params = GatewayParams.load(workspace.params_file, profile)
    deploy = load_section(workspace.params_file, "deploy", DeployParams, profile)
    source = the_source(image, query, login)
    stated = Stated(kvp=kvp, age_years=age, sex=sex.upper() if sex else None)
    started = time.monotonic()
    prepared: PreparedStudy | None = None
    try:
        with (
            source_progress() as progress,
            open_source(
                source, scratch=workspace.home / "scratch", params=params.ingest, progress=progress
            ) as opened,
        ):
            prepared = prepare_study(
                opened,
                stated,
                params,
                pseudonymiser,
                level_file=levels,
                scheme=level_scheme,
            )
        if figure is not None and prepared.study.volume is not None:
            write_figure(prepared, figure)
        prepared.require_acceptable()
        with TritonClient(
            url or triton_url(workspace.home),
            timeout_s=deploy.client_timeout_s,
            retries=deploy.client_retries,
            repository=workspace.model_repository,
        ) as client:
            answer = ask(prepared, client, params.prepare)
    except RefusedError as error:
        if json_output:
            decided = prepared.study.decisions if prepared is not None else ()
            typer.echo(json.dumps(refused_as_dict(error, decided), indent=2))
        raise
    latency_ms = (time.monotonic() - started) * 1000
    row = prediction_row(answer, prepared, pseudonymiser, latency_ms=latency_ms, source=Source.PREDICT)
    if json_output:
        typer.echo(json.dumps(answer.as_dict(), indent=2, allow_nan=False))
    else:
        typer.echo(answer.text())
        if figure is not None:
            typer.echo(f"figure: {figure}")
    PredictionLog(workspace.prediction_log_url).append([row])
