"""Every name that one patient goes by in the workspace: keyed hashes of the patient, the studies, series and files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from components.ingest_dicom.locations import FILE_NAME, Locations, LocationsError, read_locations
from components.ingest_dicom.pseudonym import SIMULATED_KEY, Pseudonymiser, read_key
from components.ingest_dicom.series_table import SeriesTableError, read_others_table, read_series_table
from components.ingest_dicom.shards import SHARD_MARK
from models.errors import ParameterError
from pipelines.workspace import Workspace

SHORTEST_IN_PATH = 4  # characters of a PatientID that may be looked for in paths: "12" is in half of all


@dataclass(frozen=True)
class PatientNames:
    """Keyed hashes of one patient, of every key that the site has or had.

    Attributes
    ----------
    patients
        One a key.
    studies, series, files
        As the intake's tables name them; studies also those that were asked for by their UID.
    intakes
        locations.json that names the patient, to the number of CT files it lists; also those of an ingest's shards.
    asked
        The PatientID that was asked for.
    """

    patients: frozenset[str]
    studies: frozenset[str]
    series: frozenset[str]
    files: frozenset[str]
    intakes: dict[Path, int]
    asked: str = ""

    @property
    def tokens(self) -> frozenset[str]:
        """All of them: a cell or a word that equals one is about this patient."""
        return self.patients | self.studies | self.series | self.files

    @property
    def source_files(self) -> dict[str, int]:
        """CT files of the patient by data version, whether its intake was made whole, in shards, or in both ways."""
        counts: dict[str, dict[bool, int]] = {}
        for path, count in self.intakes.items():
            version, mark, _ = path.parent.name.partition(SHARD_MARK)
            ways = counts.setdefault(version, {})
            ways[bool(mark)] = ways.get(bool(mark), 0) + count
        return {version: max(ways.values()) for version, ways in counts.items()}


def find_names(workspace: Workspace, patient_id: str, study_uids: tuple[str, ...] = ()) -> PatientNames:
    """Hash the PatientID with every key, and follow it through what ingestion wrote.

    Parameters
    ----------
    study_uids
        StudyInstanceUIDs of answers: the prediction log knows studies and no patients.

    Raises
    ------
    ParameterError
        The PatientID is empty.
    PseudonymKeyError
        A key of the site cannot be read.
    """
    wanted = patient_id.strip()
    if not wanted:
        raise ParameterError("PatientID: found nothing; name the patient as the DICOM files do")
    keys = [Pseudonymiser(key) for key in site_keys(workspace)]
    patients = {key.patient(wanted) for key in keys}
    studies = {key.uid(uid) for key in keys for uid in study_uids if uid.strip()}
    series: set[str] = set()
    files: set[str] = set()
    intakes: dict[Path, int] = {}
    for path in sorted((workspace.home / "intake").glob(f"*/{FILE_NAME}")):
        located = _located(path)
        of_patient = {
            name: place
            for name, place in located.series.items()
            # a de-identified cohort names the patient by the pseudonym of one of the keys
            if place.patient_id.strip() == wanted
            or any(key.made(place.patient_id) and key.patient(place.patient_id) in patients for key in keys)
        }
        if of_patient:
            series |= set(of_patient)
            intakes[path] = sum(len(place.files) for place in of_patient.values())
        # a segmentation without PatientID, or what could not be read at all, shows whose it is by its place alone
        beside = {name for place in of_patient.values() for name in (place.levels, *place.segmentations)}
        files |= {
            name
            for name, place in located.others.items()
            if place in beside or (len(wanted) >= SHORTEST_IN_PATH and wanted in place)
        }
    for folder in _ingested(workspace):
        rows = _rows(folder / "series.parquet", patients | series)
        series |= set(rows.get("series", ())) - {""}
        studies |= set(rows.get("study", ())) - {""}
        others = _rows(folder / "others.parquet", patients | series)
        files |= set(others.get("file", ())) - {""}
    for path in sorted((workspace.home / "intake").glob(f"*/{FILE_NAME}")):
        located = _located(path)
        if path not in intakes and (series & set(located.series) or files & set(located.others)):
            intakes[path] = sum(len(located.series[name].files) for name in series & set(located.series))
    return PatientNames(
        frozenset(patients), frozenset(studies), frozenset(series), frozenset(files), intakes, wanted
    )


def site_keys(workspace: Workspace) -> list[bytes]:
    """The phantoms' public key, the site's, and those that it replaced, which lie beside it as `site.key.v1`."""
    path = workspace.site_key
    files = [*([path] if path.is_file() else []), *sorted(path.parent.glob(f"{path.name}.v*"))]
    return [SIMULATED_KEY, *(read_key(file) for file in files)]


def source_folders(workspace: Workspace, names: PatientNames) -> list[str]:
    """Cohort folders that the intakes were read from, as runs were told; they are not the workspace's to delete."""
    versions = set(names.source_files)
    folders = set()
    for run in sorted(workspace.runs.glob("*/manifest.json")):
        try:
            version = json.loads(run.read_text(encoding="utf-8"))["data"]["version"]
            plan = json.loads(run.with_name("plan.json").read_text(encoding="utf-8"))
            named = plan["arguments"].get("data_folder") or str(workspace.data)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
        if version in versions:
            folders.add(named)
    return sorted(folders)


def _located(path: Path) -> Locations:
    try:
        return read_locations(path)
    except LocationsError as error:
        raise ParameterError(f"{error}; whom it names is not known, so nothing is forgotten") from error


def _ingested(workspace: Workspace) -> list[Path]:
    """Folders that ingestion wrote its tables to, below the home and through the runs' own folders."""
    return sorted({path.parent for path in workspace.home.rglob("series.parquet")})


def _rows(path: Path, tokens: set[str]) -> pd.DataFrame:
    """Rows of an intake's table that name one of these; none where the table is gone or of another version."""
    try:
        table = read_series_table(path) if path.name == "series.parquet" else read_others_table(path)
    except SeriesTableError:
        return pd.DataFrame()
    return table[table["patient"].isin(tokens) | table["series"].isin(tokens)]
