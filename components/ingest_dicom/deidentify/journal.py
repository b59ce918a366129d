"""What was copied so far, so that a killed run goes on where it was; it holds no name and no path of the source."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from models.errors import InputError

FILE_NAME = ".journal.jsonl"
SCHEMA_VERSION = 1


class OtherWorkError(InputError):
    """The unfinished folder is of another source or another key."""


@dataclass(frozen=True)
class Entry:
    """What became of one file.

    Attributes
    ----------
    file
        Keyed hash of its path.
    out
        Where its copy is, below the folder; "" when there is none.
    code, found
        Why there is none; "".
    patient, series
        New PatientID and SeriesInstanceUID of a DICOM copy; "".
    """

    file: str
    stamp: tuple[int, int]
    kind: str
    out: str = ""
    code: str = ""
    found: str = ""
    patient: str = ""
    series: str = ""


class Journal:
    """Append-only list of entries. `begun` names what is copied under which key; nothing else may go on with it.

    Raises
    ------
    OtherWorkError
        The folder was begun with another source or key.
    """

    def __init__(self, folder: Path, begun: str) -> None:
        self.path = folder / FILE_NAME
        self.entries: dict[str, Entry] = {}
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.is_file() else []
        documents = [document for line in lines if (document := _parsed(line)) is not None]
        header = {"schema_version": SCHEMA_VERSION, "begun": begun}
        if documents and documents[0] != header:
            raise OtherWorkError(
                f"{folder}: unfinished, of another source or site key; remove it or name another folder"
            )
        for document in documents[1:]:
            entry = Entry(**{**document, "stamp": tuple(document["stamp"])})
            self.entries[entry.file] = entry
        # written anew: a line that a kill tore in two would swallow the next one
        with self.path.open("w", encoding="utf-8") as stream:
            for document in (header, *(asdict(entry) for entry in self.entries.values())):
                stream.write(json.dumps(document) + "\n")
        self._stream: IO[str] = self.path.open("a", encoding="utf-8")

    def add(self, entry: Entry) -> None:
        """Note what became of a file, once its copy is in place."""
        self.entries[entry.file] = entry
        self._stream.write(json.dumps(asdict(entry)) + "\n")
        self._stream.flush()

    def close(self) -> None:
        self._stream.close()


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        document = json.loads(line)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None
