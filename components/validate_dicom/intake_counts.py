"""What ingest says it read: the sums that validation's own must meet."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from components.ingest_dicom.series_table import read_others_table
from models.errors import InputError


class IntakeManifestError(InputError):
    """The intake's manifest is missing or does not hold the count of files read."""


@dataclass(frozen=True)
class IntakeCounts:
    """Files that ingest read.

    Attributes
    ----------
    file_count
        All files, from the intake's manifest.
    others
        One row per file that is in no CT series, with `code`, `kind` and `found`.
    """

    file_count: int
    others: pd.DataFrame

    @property
    def other_count(self) -> int:
        """Files in no CT series."""
        return len(self.others)

    @property
    def others_by_code(self) -> dict[str, int]:
        """Other files by code."""
        return {str(code): int(count) for code, count in self.others["code"].value_counts().items()}

    @property
    def other_lines(self) -> tuple[str, ...]:
        """Lines for people: how many of which kind with which code."""
        groups = self.others.groupby(["kind", "code"]).size().reset_index(name="count")
        return tuple(f"{row['count']} {row['kind']} ({row['code']})" for _, row in groups.iterrows())


def read_intake_counts(intake: Path) -> IntakeCounts:
    """Counts of an intake folder.

    Raises
    ------
    IntakeManifestError
        When manifest.json is missing, damaged, or holds no file count.
    """
    path = intake / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        file_count = int(manifest["file_count"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IntakeManifestError(
            f"{path}: no count of files read ({type(error).__name__}); run ingest again"
        ) from error
    return IntakeCounts(file_count, read_others_table(intake / "others.parquet"))
