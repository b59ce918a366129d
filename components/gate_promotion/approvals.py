"""What persons said to models that had passed the rules: a JSON-lines file that outlives runs; no patient data."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from components.gate_promotion.outcome import Word
from models.errors import InputError
from models.params import Section
from models.write_failure import unwritten

APPROVALS_FILE = "approvals.jsonl"


class ApprovalLogError(InputError):
    """The log of approvals cannot be read or written."""


class ApprovalRecord(Section):
    """One line of the log: who said what to which model, and when.

    Attributes
    ----------
    subject
        Of the decision (`GateDecision.subject`); the word holds for it and nothing else.
    run_id
        Run whose decision the person read.
    """

    schema_version: Literal[1] = 1
    subject: str = Field(min_length=64, max_length=64)
    run_id: str
    challenger_sha256: str
    champion_sha256: str | None
    policy: str
    data_version: str
    word: Word


def read_approvals(path: Path) -> list[ApprovalRecord]:
    """All records, oldest first; none when there is no log yet.

    Raises
    ------
    ApprovalLogError
        It cannot be read, or a line is not of this form.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise ApprovalLogError(f"{path}: log of approvals cannot be read ({error})") from error
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            records.append(ApprovalRecord.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            raise ApprovalLogError(
                f"{path}: line {number} is no record of an approval ({first['msg']}); mend or move the log"
            ) from error
    return records


def word_on(path: Path, subject: str) -> ApprovalRecord | None:
    """The record about this decision, if a person has spoken."""
    return next((record for record in reversed(read_approvals(path)) if record.subject == subject), None)


def add_approval(path: Path, record: ApprovalRecord) -> None:
    """Append the record and see it onto the disk.

    Raises
    ------
    ApprovalLogError
        It could not be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            stream.write(json.dumps(record.model_dump()) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise ApprovalLogError(
            f"{path}: nothing was decided, as it was not recorded {unwritten(error)}"
        ) from error
