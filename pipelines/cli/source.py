"""The argument and options that name a source of CT, the same for every command that takes one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from components.ingest_dicom.source import Source

SOURCE_HELP = (
    "Folder, DICOMDIR, zip or tar (gz, bz2, xz) archive, or the address of a DICOMweb service "
    "(https://pacs/dicom-web) with --query."
)
Query = Annotated[
    list[str] | None,
    typer.Option(
        "--query",
        help="What to search a DICOMweb service for, KEYWORD=VALUE; may be repeated: --query PatientID=123 "
        "--query StudyDate=20240101-20240131.",
    ),
]
Login = Annotated[
    Path | None,
    typer.Option(
        "--login", help="File with the login of a DICOMweb service: one line, user:password or a token."
    ),
]


def the_source(place: str, query: list[str] | None, login: Path | None) -> Source:
    """The source that was named.

    Raises
    ------
    SourceError
        A query that is not KEYWORD=VALUE, or does not fit the place.
    LoginFileError
        The login file cannot be used.
    """
    from components.ingest_dicom.source import Source, SourceError, read_login

    pairs: dict[str, str] = {}
    for item in query or ():
        keyword, equals, value = item.partition("=")
        if not equals or keyword in pairs:
            # what was said is not repeated: it may be a patient's number
            raise SourceError("--query: KEYWORD=VALUE is accepted, each keyword once, PatientID=123 say")
        pairs[keyword] = value
    return Source(place, pairs, read_login(login) if login is not None else None)


@contextmanager
def source_progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each stage on a terminal, a line for each stage elsewhere; both on stderr."""
    from rich.console import Console
    from rich.progress import Progress, TaskID

    console = Console(stderr=True)
    tasks: dict[str, TaskID] = {}
    with Progress(console=console, disable=not console.is_terminal) as bars:

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
                if not console.is_terminal:
                    typer.echo(f"{stage} ...", err=True)
            bars.update(tasks[stage], completed=done, total=total)

        yield show
