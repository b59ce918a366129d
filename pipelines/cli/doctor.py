"""`osteogate doctor`: what is missing on this machine and how to get it."""

from __future__ import annotations

from typing import Annotated

import typer


def doctor(
    json_output: Annotated[bool, typer.Option("--json", help="Findings as JSON.")] = False,
) -> None:
    """Look at Python, packages, libraries, disk, memory and servers; exit 5 when something required is missing."""
    import dataclasses
    import json

    from rich.console import Console
    from rich.table import Table

    from models.errors import ServiceUnavailableError
    from pipelines.doctor import examine
    from pipelines.workspace import Workspace

    findings = examine(Workspace.find())
    later = {"tritonserver", "data set"}  # the main job brings these itself
    missing = [
        item for item in findings if item.need == "required" and not item.ok and item.name not in later
    ]
    if json_output:
        typer.echo(json.dumps([dataclasses.asdict(item) for item in findings], indent=2))
    else:
        table = Table()
        for column in ("what", "", "found", "how to get it"):
            table.add_column(column)
        for item in findings:
            unmet = {"required": "missing", "optional": "-", "advice": "warning"}[item.need]
            mark = "ok" if item.ok else "will come" if item.name in later else unmet
            table.add_row(item.name, mark, item.found, "" if item.ok else item.mend)
        Console().print(table)
    if missing:
        raise ServiceUnavailableError(
            "missing: " + "; ".join(f"{item.name} ({item.mend})" for item in missing)
        )
