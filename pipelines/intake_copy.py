"""One file on its way into a cohort: as it is, or without its patient."""

from __future__ import annotations

import filecmp
import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from components.ingest_dicom.deidentify.file import deidentify_file
from components.ingest_dicom.deidentify.level_names import new_level_name
from components.ingest_dicom.deidentify.plan import LEVELS, SERIES, Kind
from components.ingest_dicom.deidentify.tables import centre_table, copy_label_map, dxa_table, read_table
from components.ingest_dicom.pseudonym import Pseudonymiser
from components.ingest_dicom.same_data_set import same_data_set
from pipelines.intake_plan import WantedFile
from pipelines.intake_record import IntakeRecord
from pipelines.intake_tables import add_exams, put


class Copier(Protocol):
    """How files come into a cohort."""

    def begin(self, wanted: Sequence[WantedFile]) -> None:
        """Told what will be copied."""

    def copy(self, wanted: WantedFile) -> bool:
        """Whether the file had to be copied; raises RefusedError for one that is not taken."""

    def names(self, patient_id: str, series_instance_uid: str) -> tuple[str, str]:
        """What patient and series are called in the cohort."""


class AsTheyAre:
    """Byte for byte, patients included; only the names of files are hashed.

    An instance that is there already with the same data set is not copied; with another one it is kept beside it,
    to be judged by validation (DUPLICATE_UID).
    """

    def __init__(self, cohort: Path, pseudonymiser: Pseudonymiser, *, scratch: bool) -> None:
        self.cohort, self.key, self.scratch = cohort, pseudonymiser, scratch

    def begin(self, wanted: Sequence[WantedFile]) -> None:
        """Nothing to note."""

    def names(self, patient_id: str, series_instance_uid: str) -> tuple[str, str]:
        """As in the source."""
        return patient_id, series_instance_uid

    def copy(self, wanted: WantedFile) -> bool:
        if wanted.kind is Kind.DXA:
            return add_exams(self.cohort, read_table(wanted.path))
        if wanted.level_name:
            target = self.cohort / LEVELS / wanted.level_name
            return put(target, lambda partial: shutil.copyfile(wanted.path, partial))
        folder = self.key.uid(wanted.series) or "levels"
        name = self.key.uid(wanted.instance or _digest(wanted.path))
        target = self.cohort / SERIES / folder / f"{name}.dcm"
        if target.exists():
            if _same(wanted.path, target):
                return False
            target = target.with_name(f"{target.stem}-{_digest(wanted.path)[:8]}.dcm")
            if target.exists():
                return False
        partial = _beside(target)
        partial.unlink(missing_ok=True)
        _link_or_copy(wanted.path, partial) if self.scratch else shutil.copyfile(wanted.path, partial)
        partial.replace(target)
        return True


class WithoutPatients:
    """De-identified as `osteogate deidentify` does it, under the same key: one patient, one pseudonym, one shift.

    What was copied is noted by its content, so that it is copied once however often and from wherever it comes.
    """

    def __init__(self, cohort: Path, pseudonymiser: Pseudonymiser, record: IntakeRecord) -> None:
        self.cohort, self.key, self.record = cohort, pseudonymiser, record

    def begin(self, wanted: Sequence[WantedFile]) -> None:
        """Note whose the pseudonyms will be before any is written; what a killed run left half is removed."""
        for partial in (self.cohort / SERIES).glob("*/.*.partial"):
            partial.unlink()
        self.record.begin()
        for one in wanted:
            if one.patient_id.strip():
                self.record.add_patient(self.key.new_patient_id(one.patient_id), one.patient_id.strip())
            self.record.add_series(self._new(one, one.series))

    def names(self, patient_id: str, series_instance_uid: str) -> tuple[str, str]:
        """Their pseudonyms."""
        known = not series_instance_uid or self.key.made(patient_id)
        series = series_instance_uid if known else self.key.new_uid(series_instance_uid)
        return self.key.new_patient_id(patient_id), series

    def copy(self, wanted: WantedFile) -> bool:
        if wanted.kind is Kind.DXA:
            return add_exams(self.cohort, dxa_table(read_table(wanted.path), self.key))
        if wanted.kind is Kind.DICOM and not wanted.level_name:
            return self._copy_image(wanted)
        target = self.cohort / LEVELS / new_level_name(wanted.level_name, self.key, self.record.series)
        return put(target, lambda partial: self._write_levels(wanted, partial))

    def _write_levels(self, wanted: WantedFile, partial: Path) -> None:
        if wanted.kind is Kind.CENTRES:
            table = centre_table(read_table(wanted.path), self.key, self.record.series)
            partial.write_text(table, encoding="utf-8")
        elif wanted.kind is Kind.LABEL_MAP:
            copy_label_map(wanted.path, partial)
        else:
            deidentify_file(wanted.path, partial, self.key)

    def _copy_image(self, wanted: WantedFile) -> bool:
        content = self.key.uid(f"content:{_digest(wanted.path)}")
        known = self.record.files.get(content)
        if known is not None and (self.cohort / known[0]).is_file():
            return False
        folder = self.cohort / SERIES / (self.key.uid(self._new(wanted, wanted.series)) or "levels")
        partial = _beside(folder / f"{content}.dcm")
        deidentify_file(wanted.path, partial, self.key)
        # without an instance UID the copy's own content stands for it: another copy of it is the same
        name = self.key.uid(self._new(wanted, wanted.instance) or _digest(partial))
        target = folder / f"{name}.dcm"
        new = not target.exists()
        if not new and not _same(partial, target):
            target = target.with_name(f"{name}-{content[-8:]}.dcm")
            new = not target.exists()
        if new:
            partial.replace(target)
        else:
            partial.unlink()
        place = target.relative_to(self.cohort).as_posix()
        self.record.add_file(content, place, self.key.new_patient_id(wanted.patient_id))
        return new

    def _new(self, wanted: WantedFile, uid: str) -> str:
        """The UID of the copy, as `deidentify` writes it; what stands for a missing one is made new alike."""
        return self.names(wanted.patient_id, uid)[1]


def _same(one: Path, other: Path) -> bool:
    return filecmp.cmp(one, other, shallow=False) or same_data_set(one, other)


def _beside(target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.with_name(f".{target.name}.partial")


def _link_or_copy(path: Path, target: Path) -> None:
    """Scratch goes away: on one file system its content need not be written twice."""
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
