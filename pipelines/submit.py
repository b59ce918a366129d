"""Submit a compiled pipeline to a Kubeflow server: `python -m pipelines.submit FILE` with KFP_HOST (and KFP_TOKEN)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import typer

from models.errors import OsteoGateError, ParameterError, ServiceUnavailableError

EXPERIMENT = "osteogate-retraining"


class SubmissionError(ServiceUnavailableError):
    """The KFP server could not be reached or refused the pipeline."""


def submit(package: Path, host: str, token: str | None) -> str:
    """Create a run from the package; returns the run's id.

    Raises
    ------
    SubmissionError
        The server does not answer or refuses.
    """
    import kfp

    try:
        client = kfp.Client(host=host, existing_token=token)
        run = client.create_run_from_pipeline_package(str(package), experiment_name=EXPERIMENT)
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise SubmissionError(f"KFP server {host}: {reason}; check KFP_HOST and KFP_TOKEN") from error
    return str(run.run_id)


def main() -> None:
    """Command line of `make submit`."""
    try:
        if len(sys.argv) != 2 or not Path(sys.argv[1]).is_file():
            raise ParameterError("usage: python -m pipelines.submit FILE, the YAML of `osteogate compile`")
        host = os.environ.get("KFP_HOST")
        if not host:
            raise ParameterError(
                "KFP_HOST is not set: name the KFP server, as in https://kubeflow.example.org/pipeline"
            )
        typer.echo(f"submitted: run {submit(Path(sys.argv[1]), host, os.environ.get('KFP_TOKEN'))}")
    except OsteoGateError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
