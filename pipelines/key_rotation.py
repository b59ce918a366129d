"""Replacing the site's key: the old one is kept under its version, and the log of looks learns the new hashes."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import structlog

from components.evaluate_model.look_log import carry_to_new_key
from components.ingest_dicom.locations import FILE_NAME, LocationsError, read_locations
from components.ingest_dicom.pseudonym import Pseudonymiser, read_key
from models.errors import ParameterError
from models.write_failure import unwritten
from monitoring.prediction_log import PredictionLog
from pipelines.intake_record import IntakeRecord, all_records
from pipelines.local_run import only_run
from pipelines.workspace import Workspace

log = structlog.get_logger()


class RotationError(ParameterError):
    """The key was not replaced."""


@dataclass(frozen=True)
class Rotation:
    """What a rotation did.

    Attributes
    ----------
    retired
        Where the old key is kept.
    looks_carried, looks_unknown
        Patients of the log of looks who are found under the new key too, and those whom no intake names any more:
        a look at them under the new key will count as the first.
    answers_left
        Rows of the prediction log, whose studies keep the hashes they have: the log holds no UID to hash anew.
    cohorts_left
        Cohort folders that were de-identified with the old key: they keep its pseudonyms and are refused.
    """

    old_key_id: str
    new_key_id: str
    version: int
    retired: Path
    looks_carried: int
    looks_unknown: int
    answers_left: int
    cohorts_left: tuple[str, ...]


def rotate_key(workspace: Workspace) -> Rotation:
    """Make a new key of the next version; interrupted at any moment, the same call goes on.

    Raises
    ------
    RotationError
        The key's folder cannot be written (a secret store's mount, say).
    ParameterError, PseudonymKeyError, LookLogError
        A run is going on; there is no key yet; the log of looks cannot be rewritten.
    """
    path = workspace.site_key
    old = Pseudonymiser(read_key(path))
    retired = path.with_name(f"{path.name}.v{old.version}")
    waiting = path.with_name(f".{path.name}.next")
    try:
        with only_run(workspace):
            if not waiting.is_file():
                _write_new(waiting, f"osteogate-key-{old.version + 1}:{secrets.token_hex(32)}".encode())
            new = Pseudonymiser(read_key(waiting))
            carried, unknown = carry_to_new_key(workspace.look_log, _new_hashes(workspace, old, new))
            if not retired.is_file():
                _write_new(retired, old.key)
            elif read_key(retired) != old.key:
                raise RotationError(f"{retired}: holds another key and is left alone; move it away first")
            waiting.replace(path)
    except OSError as error:
        raise RotationError(
            f"{path}: not replaced {unwritten(error)}; or put the new key there yourself, beginning with "
            f"'osteogate-key-{old.version + 1}:', and the old one beside it as {retired.name}"
        ) from error
    log.info("site key replaced", old=old.key_id, new=new.key_id, version=new.version)
    return Rotation(
        old.key_id,
        new.key_id,
        new.version,
        retired,
        carried,
        unknown,
        _answers(workspace),
        tuple(sorted({record.cohort for record in all_records(workspace.home) if _made_with(record, old)})),
    )


def _answers(workspace: Workspace) -> int:
    if not (workspace.home / "prediction_log.db").is_file():
        return 0
    return PredictionLog(workspace.prediction_log_url, create=False).count_before(None)


def _made_with(record: IntakeRecord, key: Pseudonymiser) -> bool:
    return any(key.made(patient) for patient in record.patients)


def _new_hashes(workspace: Workspace, old: Pseudonymiser, new: Pseudonymiser) -> dict[str, str]:
    """Old hash to new of every patient whom an intake names.

    Of a pseudonym the hospital's own number is hashed, as the originals will be read or taken in again under the new
    key; where no record says whose it is, the patient is unknown.
    """
    whose = {new: its for record in all_records(workspace.home) for new, its in record.patients.items()}
    hashes = {old.patient(name): new.patient(its) for name, its in whose.items() if old.made(name)}
    for places in sorted((workspace.home / "intake").glob(f"*/{FILE_NAME}")):
        try:
            located = read_locations(places)
        except LocationsError as error:
            log.warning("an intake names nobody", reason=str(error))
            continue
        for series in located.series.values():
            if series.patient_id.strip() and not old.made(series.patient_id):
                hashes[old.patient(series.patient_id)] = new.patient(series.patient_id)
    return hashes


def _write_new(path: Path, key: bytes) -> None:
    """A whole key or none, readable by its owner only."""
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
