"""What was taken into a cohort without its patients, and whose each pseudonym is: it stays with the intake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from components.ingest_dicom.pseudonym import Pseudonymiser

FOLDER = "taken-in"  # of the intake folder: one record a cohort, named by the keyed hash of its place
SCHEMA_VERSION = 1


class IntakeRecord:
    """Append-only lines of JSON, readable by their owner only; so a run that was killed goes on where it was.

    Attributes
    ----------
    cohort
        Folder of the cohort, as text.
    patients
        New PatientID to the hospital's.
    series
        New SeriesInstanceUIDs.
    files
        Keyed hash of a source file's content to where its copy is below the cohort, and its new PatientID.
    """

    def __init__(self, path: Path, cohort: str = "") -> None:
        self.path = path
        self.cohort = cohort
        self.patients: dict[str, str] = {}
        self.series: set[str] = set()
        self.files: dict[str, tuple[str, str]] = {}
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        for document in filter(None, map(_parsed, lines)):
            self.cohort = self.cohort or str(document.get("cohort", ""))
            if "is" in document:
                self.patients[document["patient"]] = document["is"]
            elif "series" in document:
                self.series.add(document["series"])
            elif "file" in document:
                self.files[document["file"]] = (document["out"], document.get("patient", ""))

    def begin(self) -> None:
        """Write it anew, to be added to: a line that a kill tore in two would swallow the next one."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = self.path.with_name(f".{self.path.name}.partial")
        partial.unlink(missing_ok=True)
        partial.touch(mode=0o600)
        documents: list[dict[str, Any]] = [{"schema_version": SCHEMA_VERSION, "cohort": self.cohort}]
        documents += [{"patient": new, "is": old} for new, old in self.patients.items()]
        documents += [{"series": uid} for uid in sorted(self.series)]
        documents += [
            {"file": name, "out": out, "patient": patient} for name, (out, patient) in self.files.items()
        ]
        partial.write_text("".join(json.dumps(item) + "\n" for item in documents), encoding="utf-8")
        partial.replace(self.path)

    def add_patient(self, new: str, old: str) -> None:
        """Note whose a pseudonym is; one that came as it is (a copy of a copy) is known or nobody's to know."""
        if new != old and self.patients.get(new) != old:
            self.patients[new] = old
            self._append({"patient": new, "is": old})

    def add_series(self, uid: str) -> None:
        """Note a series, so that level files that are called after it are known as its."""
        if uid and uid not in self.series:
            self.series.add(uid)
            self._append({"series": uid})

    def add_file(self, content: str, out: str, patient: str) -> None:
        """Note a copy, once it is in place."""
        self.files[content] = (out, patient)
        self._append({"file": content, "out": out, "patient": patient})

    def _append(self, document: dict[str, str]) -> None:
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(document) + "\n")


def record_of(home: Path, cohort: Path, pseudonymiser: Pseudonymiser) -> IntakeRecord:
    """The record of a cohort folder under a key."""
    place = str(cohort.resolve())
    return IntakeRecord(home / "intake" / FOLDER / f"{pseudonymiser.uid(place)}.jsonl", place)


def all_records(home: Path) -> list[IntakeRecord]:
    """Every record that the intake holds."""
    return [IntakeRecord(path) for path in sorted((home / "intake" / FOLDER).glob("*.jsonl"))]


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        document = json.loads(line)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None
