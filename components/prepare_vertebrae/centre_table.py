"""Levels from a table of body centres: CSV with columns level, x_mm, y_mm, z_mm (LPS)."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from components.ingest_dicom.vertebra_names import vertebra_named
from components.prepare_vertebrae.spine_labels import SpineLabels
from models.levels import LEVELS
from models.refusal import Code, refuse

COORDINATES = ("x_mm", "y_mm", "z_mm")
COLUMNS = ("level", *COORDINATES)


def read_centre_table(path: Path, series_instance_uid: str | None = None) -> SpineLabels:
    """Body centres (3,) LPS mm by level.

    A column `series_instance_uid` may say which series a row is for. Neighbours of L1-L4 are not measured, but an
    L6 among them tells something.

    Raises
    ------
    RefusedError
        LEVELS_UNREADABLE (not a table, columns missing, not a number), LEVELS_AMBIGUOUS (a level twice, or
        rows for other series only).
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
            columns = reader.fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise refuse(
            Code.LEVELS_UNREADABLE, f"{path.name}: not a readable CSV table ({type(error).__name__})"
        ) from error
    missing = [column for column in COLUMNS if column not in columns]
    if missing:
        raise refuse(
            Code.LEVELS_UNREADABLE,
            f"{path.name}: columns missing: {', '.join(missing)}; accepted: {', '.join(COLUMNS)} (LPS, mm)",
        )
    if "series_instance_uid" in columns and series_instance_uid is not None:
        rows = [row for row in rows if row["series_instance_uid"] in ("", series_instance_uid)]
        if not rows:
            raise refuse(
                Code.LEVELS_AMBIGUOUS, f"{path.name}: its rows are for another series than the one chosen"
            )
    centres: dict[str, np.ndarray] = {}
    for number, row in enumerate(rows, start=2):
        name = vertebra_named(row["level"] or "")
        if name is None or (name in centres and name not in LEVELS):
            continue
        if name in centres:
            raise refuse(Code.LEVELS_AMBIGUOUS, f"{path.name}, line {number}: {name} is named twice")
        try:
            centres[name] = np.array([float(row[column]) for column in COORDINATES])
        except (TypeError, ValueError) as error:
            if name not in LEVELS:
                continue  # a neighbour without a place
            raise refuse(
                Code.LEVELS_UNREADABLE, f"{path.name}, line {number}: a coordinate of {name} is not a number"
            ) from error
    return SpineLabels(centres)


def series_named_in(path: Path) -> frozenset[str]:
    """SeriesInstanceUIDs that a table of centres names; empty for every other kind of file."""
    if path.suffix.lower() != ".csv" or not path.is_file():
        return frozenset()
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            return frozenset(row.get("series_instance_uid") or "" for row in csv.DictReader(file)) - {""}
    except csv.Error:  # `read_centre_table` refuses it with a code
        return frozenset()
