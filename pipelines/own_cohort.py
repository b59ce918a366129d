"""Bringing one's own cohort: an empty template to fill, and an export of a cohort in the same layout."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

from components.simulate_cohort.dataset import SCHEMA_VERSION, read_card
from models.dxa_columns import DXA_COLUMNS
from models.errors import InputError


class CohortTargetError(InputError):
    """The folder to write exists and is not empty."""


def write_template(out: Path) -> None:
    """An empty cohort folder: cohort.json (kind site), dxa.csv with its header, series/, levels/.

    Raises
    ------
    CohortTargetError
        When `out` is there already and not empty.
    """
    _refuse_filled(out)
    for folder in ("series", "levels"):
        (out / folder).mkdir(parents=True)
    (out / "cohort.json").write_text(json.dumps({"schema_version": SCHEMA_VERSION, "kind": "site"}, indent=2))
    with (out / "dxa.csv").open("w", newline="") as file:
        csv.writer(file).writerow(DXA_COLUMNS)


def export_cohort(data: Path, out: Path) -> int:
    """Copy a cohort to `out` in the layout of one's own; the recorded truth stays behind, the kind stays as it is.

    Returns
    -------
    Number of files copied.
    """
    card = read_card(data)
    _refuse_filled(out)
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for folder in ("series", "levels"):
        if (data / folder).is_dir():
            shutil.copytree(data / folder, partial / folder)
    shutil.copy(data / "dxa.csv", partial / "dxa.csv")
    (partial / "cohort.json").write_text(json.dumps({**card, "exported": True}, indent=2))
    if out.exists():
        out.rmdir()
    partial.rename(out)
    return sum(1 for path in out.rglob("*") if path.is_file())


def _refuse_filled(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CohortTargetError(f"{out}: exists and is not an empty folder; name a new one")
