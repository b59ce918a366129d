"""What preparation needs of validation's accepted table and of the intake's locations."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from components.ingest_dicom.locations import SeriesLocation, read_locations
from components.segment_levels.run import label_map_of
from components.validate_dicom.tables import read_accepted as read_accepted_table
from models.errors import InputError
from models.levels import LEVELS

TEXTS = ("series", "patient", "vendor", "kernel", "kernel_class", "sex", "dxa_device")
NUMBERS = ("kvp", "slice_thickness_mm", "pixel_spacing_mm", "age_years", "bmd_l1_l4_g_cm2", "tbs_l1_l4")
PER_LEVEL = ("bmd_{}_g_cm2", "tbs_{}", "invalid_{}")
BMI = "bmi_kg_m2"


class AcceptedTableError(InputError):
    """The accepted table lacks a column."""


@dataclass(frozen=True)
class LevelLabel:
    """DXA of one level on the reference scale; NaN where missing."""

    bmd_g_cm2: float
    tbs: float
    invalid: bool


@dataclass(frozen=True)
class AcceptedSeries:
    """One accepted CT series with its DXA and its files.

    Attributes
    ----------
    facts
        The columns of the crop store's index that hold for the whole series.
    labels
        By level name.
    files
        DICOM files, absolute.
    level_file
        Absolute, or None.
    competing_level_files
        How many DICOM objects name levels of the series when none was chosen.
    """

    facts: dict[str, object]
    labels: dict[str, LevelLabel]
    files: tuple[Path, ...]
    level_file: Path | None
    series_instance_uid: str
    competing_level_files: int = 0

    @property
    def series(self) -> str:
        return str(self.facts["series"])

    @property
    def patient(self) -> str:
        return str(self.facts["patient"])

    @property
    def vendor(self) -> str:
        return str(self.facts["vendor"])


def read_accepted(
    accepted: Path, intake: Path, data: Path, segmented: Path | None = None
) -> list[AcceptedSeries]:
    """Accepted series in a fixed order (patient, series), with labels and files.

    Parameters
    ----------
    accepted
        Validation's accepted.parquet.
    intake
        Folder that holds locations.json.
    data
        The cohort folder that locations are relative to.
    segmented
        Output folder of the segment step, for series without a level file of their own.

    Raises
    ------
    AcceptedTableError, ValidationTableError, LocationsError
        Naming the file and what it lacks.
    """
    table = read_accepted_table(accepted.parent)
    locations = read_locations(intake)
    needed = [*TEXTS, *NUMBERS, BMI, *(part.format(level.lower()) for level in LEVELS for part in PER_LEVEL)]
    missing = [column for column in needed if column not in table.columns]
    if missing:
        raise AcceptedTableError(f"{accepted}: columns missing: {', '.join(missing)}")
    rows = table.sort_values(["patient", "series"]).to_dict("records")
    return [_located(row, locations[row["series"]], data, segmented) for row in rows]


def _located(row: dict, place: SeriesLocation, data: Path, segmented: Path | None) -> AcceptedSeries:
    level_file = data / place.levels if place.levels else None
    if level_file is None and not place.segmentations and segmented is not None:
        made = label_map_of(segmented, str(row["series"]))
        level_file = made if made.is_file() else None
    return accepted_series(
        row,
        files=tuple(data / name for name in place.files),
        level_file=level_file,
        series_instance_uid=place.series_instance_uid,
        competing_level_files=0 if place.levels else len(place.segmentations),
    )


def accepted_series(
    row: dict,
    *,
    files: tuple[Path, ...] = (),
    level_file: Path | None = None,
    series_instance_uid: str = "",
    competing_level_files: int = 0,
) -> AcceptedSeries:
    """One row of validation's accepted table with its files, if it has any."""
    facts: dict[str, object] = {name: str(row[name]) for name in TEXTS}
    facts |= {name: float(row[name]) for name in (*NUMBERS, BMI)}
    labels = {}
    for level in LEVELS:
        bmd, tbs, invalid = (row[part.format(level.lower())] for part in PER_LEVEL)
        labels[level] = LevelLabel(_number(bmd), _number(tbs), bool(invalid))
    return AcceptedSeries(facts, labels, files, level_file, series_instance_uid, competing_level_files)


def _number(value: object) -> float:
    return math.nan if value is None or pd.isna(value) else float(value)  # type: ignore[call-overload,arg-type]
