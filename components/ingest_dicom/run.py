"""The ingest step: a folder of DICOM files to the series table, the other files, their places, and a manifest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.scan import Progress


@dataclass(frozen=True)
class IngestSummary:
    """Counts of one ingest; `file_count == series_file_count + other_count`."""

    file_count: int
    series_count: int
    series_file_count: int
    other_count: int
    others_by_code: dict[str, int]
    segmentation_count: int
    patient_count: int
    seconds: float


def run(
    *, data: Path, out: Path, key: bytes, params: IngestParams, progress: Progress | None = None
) -> IngestSummary:
    """Read `data` (a cohort folder with `series/` in it, or any folder) and write series.parquet,
    others.parquet, locations.json and manifest.json into `out`.

    locations.json (identity side, stays in the intake folder): {"schema_version": 1, "data": <root>,
    "series": {series hash: {"files": [path relative to the data folder], "levels": path or null,
    "segmentations": [paths], "patient_id": PatientID, "series_instance_uid": uid}},
    "others": {file hash: relative path}}.
    """
    raise NotImplementedError
