"""DXA rows and level files on their way into a cohort: as they are, or without their patients."""

from __future__ import annotations

import csv
import filecmp
import io
from collections.abc import Callable
from pathlib import Path

from components.ingest_dicom.deidentify.plan import DXA
from models.dxa_columns import DXA_COLUMNS
from models.errors import InputError
from models.refusal import Code, refuse


class OwnTableError(InputError):
    """The cohort's own dxa.csv cannot be added to."""


def add_exams(cohort: Path, text: str) -> bool:
    """Add the rows of a DXA table that the cohort's dxa.csv has not; its own rows stay as they are.

    Returns
    -------
    Whether there was any.

    Raises
    ------
    RefusedError
        NOT_KEPT_IN_COPY: the text is no table with the columns of the template.
    OwnTableError
        The cohort's own table is none.
    """
    target = cohort / DXA
    new = _exams(text)
    if new is None:
        raise refuse(Code.NOT_KEPT_IN_COPY, "the DXA table has not the columns of the template")
    own: list[dict[str, str]] | None = []
    if target.is_file():
        try:
            own = _exams(target.read_text(encoding="utf-8-sig"))
        except ValueError:
            own = None
    if own is None:
        raise OwnTableError(
            f"{target}: is no table with the columns of the template (osteogate cohort template), so no "
            "exam can be added; mend or remove it"
        )
    added = [row for row in new if row not in own]
    if added or not target.is_file():
        partial = target.with_name(f".{target.name}.partial")
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, DXA_COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows([*own, *added])
        partial.replace(target)
    return bool(added)


def has_exams(cohort: Path) -> bool:
    """Whether the cohort's dxa.csv has any row below its header."""
    try:
        lines = (cohort / DXA).read_text(encoding="utf-8-sig").split()
    except (OSError, ValueError):
        return False
    return len(lines) > 1


def put(target: Path, write: Callable[[Path], object]) -> bool:
    """Have a level file written beside its place and renamed in; gives whether it was not there yet just so.

    Parameters
    ----------
    write
        Called with where to write; the file's suffix says how NIfTI is packed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".partial.{target.name}")
    try:
        write(partial)
        if target.is_file() and filecmp.cmp(partial, target, shallow=False):
            return False
        partial.replace(target)
        return True
    finally:
        partial.unlink(missing_ok=True)


def _exams(text: str) -> list[dict[str, str]] | None:
    """Rows by column; None for what is no table of the template."""
    try:
        rows = [[cell.strip() for cell in cells] for cells in csv.reader(io.StringIO(text), strict=True)]
    except csv.Error:
        return None
    rows = [cells for cells in rows if any(cells)]
    if not rows or sorted(rows[0]) != sorted(DXA_COLUMNS) or any(len(row) != len(rows[0]) for row in rows):
        return None
    return [dict(zip(rows[0], cells, strict=True)) for cells in rows[1:]]
