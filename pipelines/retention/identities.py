"""Where a patient stands by name outside locations.json: originals on their way in, and whose a pseudonym is."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from components.ingest_dicom.pseudonym import Pseudonymiser
from components.ingest_dicom.read_header import read_header
from pipelines.intake_record import FOLDER, IntakeRecord, all_records
from pipelines.retention.patient import SHORTEST_IN_PATH, PatientNames, site_keys
from pipelines.retention.traces import Found, Trace
from pipelines.workspace import Workspace

ON_THEIR_WAY = ("retrieved", "scratch")  # of the home: what a killed `osteogate ingest` or `predict` left
COPIED_FOLDER = "deidentified"  # of the intake: which file each copy of `osteogate deidentify` was made of


def find_identities(workspace: Workspace, names: PatientNames) -> Iterator[Found]:
    """Originals of the patient, one by one, and records that say whose a pseudonym or a copy is.

    An original whose header cannot be read, or that has no PatientID, is not found; it goes when its term is over.
    """
    keys = [Pseudonymiser(key) for key in site_keys(workspace)]
    for path in _originals(workspace):
        patient = read_header(path).patient_id.strip()
        if patient and any(key.patient(patient) in names.patients for key in keys):
            yield Found(Trace.ORIGINALS, path, 1)
    for record in all_records(workspace.home):
        if people := pseudonyms_of(record, names):
            yield Found(Trace.PSEUDONYMS, record.path, len(people))
    for path in _copied(workspace):
        if count := sum(_is_about(entry, names) for entry in _entries(path)):
            yield Found(Trace.PSEUDONYMS, path, count)


def pseudonyms_of(record: IntakeRecord, names: PatientNames) -> set[str]:
    """New PatientIDs in a record that are the patient's: each holds the patient's keyed hash."""
    return {new for new in record.patients if any(new.endswith(hashed) for hashed in names.patients)}


def cohorts_taken_into(workspace: Workspace, names: PatientNames) -> dict[str, int]:
    """Cohort folder to the number of copies of the patient's files that were put there."""
    counts: dict[str, int] = {}
    for record in all_records(workspace.home):
        people = pseudonyms_of(record, names)
        if count := sum(patient in people for _, patient in record.files.values()):
            counts[record.cohort] = counts.get(record.cohort, 0) + count
    return counts


def without_pseudonyms(path: Path, names: PatientNames) -> None:
    """Write a record anew without the patient."""
    if path.parent.name == FOLDER:
        record = IntakeRecord(path)
        gone = pseudonyms_of(record, names)
        record.patients = {new: old for new, old in record.patients.items() if new not in gone}
        record.files = {name: entry for name, entry in record.files.items() if entry[1] not in gone}
        record.begin()
        return
    left = [entry for entry in _entries(path) if not _is_about(entry, names)]
    partial = path.with_name(f".{path.name}.partial")
    partial.touch(mode=0o600)
    partial.write_text(json.dumps(left, indent=1), encoding="utf-8")
    partial.replace(path)


def is_identity(path: Path, workspace: Workspace) -> bool:
    """Whether a file is handled here, and no place for keyed hashes alone."""
    places = [workspace.home / name for name in ON_THEIR_WAY]
    places += [workspace.home / "intake" / name for name in (FOLDER, COPIED_FOLDER)]
    return any(place in path.parents for place in places)


def _originals(workspace: Workspace) -> Iterator[Path]:
    for name in ON_THEIR_WAY:
        for parent, _, files in os.walk(workspace.home / name):
            yield from (
                path
                for path in sorted(Path(parent, file) for file in files)
                if path.is_file() and not path.is_symlink()
            )


def _copied(workspace: Workspace) -> list[Path]:
    return sorted((workspace.home / "intake" / COPIED_FOLDER).glob("*.json"))


def _entries(path: Path) -> list[dict[str, str]]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [item for item in document if isinstance(item, dict)] if isinstance(document, list) else []


def _is_about(entry: dict[str, str], names: PatientNames) -> bool:
    """A copied file names its patient by its path alone."""
    return len(names.asked) >= SHORTEST_IN_PATH and names.asked in str(entry.get("source", ""))
