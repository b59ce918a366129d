"""The option `--profile`, the same for every command that reads params.yaml."""

from __future__ import annotations

from typing import Annotated

import typer

HELP = "Name under profiles in params.yaml: demo, paper, study, ablation, hospital; default: the file's own values."
Profile = Annotated[str | None, typer.Option("--profile", help=HELP)]
