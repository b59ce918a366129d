"""The ingest step: a folder of DICOM files to the series table, the other files and their places."""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog

from components.ingest_dicom.headers import OtherFile
from components.ingest_dicom.level_files import find_level_file
from components.ingest_dicom.locations import FILE_NAME, Locations, SeriesLocation, write_locations
from components.ingest_dicom.parallel import inspect_all
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import Pseudonymiser
from components.ingest_dicom.scan import Progress, ScanResult, SeriesFiles, scan_folder
from components.ingest_dicom.series import CtSeries
from components.ingest_dicom.series_table import OtherRow, write_others_table, write_series_table
from components.ingest_dicom.shards import Shard
from components.ingest_dicom.whole_intake import MANIFEST, make_intake_folder, whole_intake

SCHEMA_VERSION = 1
log = structlog.get_logger()


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

    @property
    def counts(self) -> dict[str, int]:
        """The counts for a run's manifest."""
        return {key: value for key, value in asdict(self).items() if isinstance(value, int)}


def run(
    *,
    data: Path,
    out: Path,
    key: bytes,
    params: IngestParams,
    identity: Path | None = None,
    progress: Progress | None = None,
    shard: Shard | None = None,
) -> IngestSummary:
    """Read `data` and write series.parquet, others.parquet and manifest.json into `out`, locations.json apart.

    Parameters
    ----------
    data
        A cohort folder (then only its `series/` is read), or any folder of DICOM files.
    key
        Of the pseudonyms; the site's, or `SIMULATED_KEY`.
    identity
        Folder for locations.json, which says whose each hash is and never travels with the tables (an artifact
        of a cluster's pipeline is copied to an object store); `out` by default.
    progress
        Called with (series read, series).
    shard
        Only this part of the patients; `merge_shards.merge_intakes` puts the parts together, byte for byte what one
        ingest of all writes.

    Raises
    ------
    RefusedError
        EMPTY_INPUT when there is no file.
    IntakeWriteError
        Disk full and the like; an earlier intake stays.
    """
    started = time.monotonic()
    pseudonymiser = Pseudonymiser(key)
    make_intake_folder(out)  # what cannot be written to is said before hours of reading
    scan = scan_folder(data / "series" if (data / "series").is_dir() else data, workers=params.workers)
    root = data if data.is_dir() else data.parent
    whole = scan  # a segmentation without PatientID may lie in another part than its series
    if shard is not None:
        scan = shard.part_of(scan, root, pseudonymiser)
    places = [_place(root, series, whole.level_objects(series)) for series in scan.series]
    rows = inspect_all(
        scan.series, [_has_levels(place) for place in places], pseudonymiser, params, progress=progress
    )
    summary = _summary(scan, len({row.patient for row in rows if row.patient}), started)
    others = {_file_hash(root, other, pseudonymiser): _relative(root, other.path) for other in scan.others}
    located = {row.series: place for row, place in zip(rows, places, strict=True)}
    with whole_intake(out, identity or out) as (tables, places_folder):
        write_tables(rows, [_other_row(root, other, pseudonymiser) for other in scan.others], tables)
        write_locations(Locations(series=located, others=others), places_folder / FILE_NAME)
        write_manifest(summary, tables / MANIFEST, shard)
    log.info("ingested", **summary.counts)
    return summary


def _place(root: Path, series: SeriesFiles, level_objects: list[OtherFile]) -> SeriesLocation:
    uid = series.series_instance_uid
    referring = tuple(sorted(_relative(root, other.path) for other in level_objects))
    patients = Counter(header.patient_id for header in series.files)
    patient_id = patients.most_common(1)[0][0]
    level_file = find_level_file(root, patient_id, uid)
    levels = _relative(root, level_file) if level_file else referring[0] if len(referring) == 1 else None
    return SeriesLocation(
        files=tuple(_relative(root, path) for path in series.paths),
        levels=levels,
        segmentations=referring,
        patient_id=patient_id,
        series_instance_uid=uid,
    )


def _has_levels(place: SeriesLocation) -> bool:
    return place.levels is not None or bool(place.segmentations)


def _relative(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()


def _file_hash(root: Path, other: OtherFile, pseudonymiser: Pseudonymiser) -> str:
    return pseudonymiser.uid(_relative(root, other.path))


def _other_row(root: Path, other: OtherFile, pseudonymiser: Pseudonymiser) -> OtherRow:
    return OtherRow(
        file=_file_hash(root, other, pseudonymiser),
        code=other.code.value,
        kind=other.kind,
        found=other.found,
        patient=pseudonymiser.patient(other.patient_id),
        series=pseudonymiser.uid(other.series_instance_uid),
    )


def _summary(scan: ScanResult, patients: int, started: float) -> IngestSummary:
    by_code: dict[str, int] = defaultdict(int)
    for other in scan.others:
        by_code[other.code.value] += 1
    return IngestSummary(
        file_count=scan.file_count,
        series_count=len(scan.series),
        series_file_count=sum(len(series.files) for series in scan.series),
        other_count=len(scan.others),
        others_by_code=dict(sorted(by_code.items())),
        segmentation_count=len(scan.segmentations),
        patient_count=patients,
        seconds=round(time.monotonic() - started, 2),
    )


def write_tables(series: list[CtSeries], others: list[OtherRow], folder: Path) -> None:
    """Both tables, by patient: the order of files and shards means nothing."""
    write_series_table(sorted(series, key=lambda row: (row.patient, row.series)), folder / "series.parquet")
    write_others_table(sorted(others, key=lambda row: (row.patient, row.file)), folder / "others.parquet")


def write_manifest(summary: IngestSummary, path: Path, shard: Shard | None = None) -> None:
    """The counts as JSON, and which part of the whole they are of; beside and renamed in."""
    partial = path.with_name(f".{path.name}.partial")
    document = {"schema_version": SCHEMA_VERSION, **asdict(summary)}
    if shard is not None:
        document["shard"] = asdict(shard)
    partial.write_text(json.dumps(document, indent=2), encoding="utf-8")
    partial.replace(path)
