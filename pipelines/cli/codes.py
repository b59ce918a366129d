"""`osteogate codes`: every code with its meaning and what to do."""

from __future__ import annotations

from typing import Annotated

import typer


def codes(
    wanted: Annotated[list[str] | None, typer.Argument(help="Codes to explain; all by default.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="The whole page docs/codes.md.")] = False,
) -> None:
    """Say what each code of refusal means and what to do about it."""
    import json

    from rich.console import Console
    from rich.table import Table

    from models.errors import ParameterError
    from pipelines.codes_page import code_rows, codes_markdown

    if markdown and (wanted or json_output):
        raise ParameterError("--markdown writes the whole page; accepted with neither codes nor --json")
    if markdown:
        typer.echo(codes_markdown(), nl=False)
        return
    rows = {row["code"]: row for row in code_rows()}
    names = [name.upper() for name in wanted or rows]
    unknown = [name for name in names if name not in rows]
    if unknown:
        raise ParameterError(f"unknown code {', '.join(unknown)}; `osteogate codes` lists all {len(rows)}")
    if json_output:
        typer.echo(json.dumps([rows[name] for name in names], indent=2))
        return
    table = Table()
    for column in ("code", "rests on", "meaning", "what to do"):
        table.add_column(column, no_wrap=column == "code")
    for name in names:
        table.add_row(*(rows[name][key] for key in ("code", "basis", "meaning", "action")))
    Console().print(table)
