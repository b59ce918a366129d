"""Walking a folder of files with any names in any order, and grouping them into series by their headers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from components.ingest_dicom.headers import Header, OtherFile

# progress(done, total) is called as files are read
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class SeriesFiles:
    """The CT files under one SeriesInstanceUID, in path order (which means nothing: sort by position)."""

    series_instance_uid: str
    files: tuple[Header, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        """Where the files are."""
        return tuple(header.path for header in self.files)


@dataclass(frozen=True)
class ScanResult:
    """What a folder holds: every file read is in a series or among the others.

    Attributes
    ----------
    series
        CT series, by SeriesInstanceUID.
    others
        Everything else with its code; DICOM SEG objects are `kind == "segmentation"`.
    """

    series: list[SeriesFiles]
    others: list[OtherFile]

    @property
    def file_count(self) -> int:
        """Files read."""
        return sum(len(series.files) for series in self.series) + len(self.others)

    @property
    def segmentations(self) -> list[OtherFile]:
        """DICOM SEG objects, candidates for vertebra levels."""
        return [other for other in self.others if other.kind == "segmentation"]


def scan_folder(folder: Path, *, progress: Progress | None = None) -> ScanResult:
    """Read the header of every file under `folder` (or of one file) and group CT images into series.

    Raises
    ------
    RefusedError
        EMPTY_INPUT when there is no folder or no file in it.
    """
    raise NotImplementedError
