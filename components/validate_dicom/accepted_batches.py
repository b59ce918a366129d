"""The batches that were accepted before, by number of pairs and vendors: what the next batch is compared with.

Kept in the site's own folder (`.osteogate/validation/accepted_batches.json`), never beside a run's output: an
output is replaced by the next run, and the comparison needs the one before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from models.errors import InputError
from models.params import Section

SCHEMA_VERSION = 1
FILE_NAME = "accepted_batches.json"
MOST_KEPT = 50  # batches of each kind; only the last other one is compared with


class BatchRecordError(InputError):
    """The record of accepted batches is damaged; what it was compared with is never guessed."""


class AcceptedBatch(Section):
    """One batch: a name from its series' hashes, what it was (site or simulated), pairs by vendor."""

    batch: str
    data_kind: str
    data_version: str
    by_vendor: dict[str, int]


class BatchRecord(Section):
    """Accepted batches, the last one at the end."""

    schema_version: int
    batches: tuple[AcceptedBatch, ...]


def batch_name(series: Iterable[str]) -> str:
    """The same for the same series, whatever their order: judging one batch twice compares it with the one before."""
    return hashlib.sha256("\n".join(sorted(series)).encode()).hexdigest()[:16]


def read_batches(path: Path) -> tuple[AcceptedBatch, ...]:
    """What was accepted so far; empty where there is no record yet.

    Raises
    ------
    BatchRecordError
        When the file is no record of this version.
    """
    if not path.exists():
        return ()
    try:
        record = BatchRecord.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, ValidationError) as error:
        raise BatchRecordError(
            f"{path}: no record of accepted batches ({type(error).__name__}); move it away to begin a new one"
        ) from error
    if record.schema_version != SCHEMA_VERSION:
        raise BatchRecordError(
            f"{path}: schema version {record.schema_version}; accepted: {SCHEMA_VERSION}; move it away to begin anew"
        )
    return record.batches


def last_before(batches: Iterable[AcceptedBatch], name: str, data_kind: str) -> AcceptedBatch | None:
    """The last accepted batch of this kind that is another one."""
    others = [one for one in batches if one.data_kind == data_kind and one.batch != name]
    return others[-1] if others else None


def record_batch(path: Path, batch: AcceptedBatch) -> None:
    """Put a batch at the end of the record, beside and renamed in; a batch judged again moves to the end."""
    kept = [one for one in read_batches(path) if (one.batch, one.data_kind) != (batch.batch, batch.data_kind)]
    record = {
        "schema_version": SCHEMA_VERSION,
        "batches": [one.model_dump() for one in [*kept, batch][-MOST_KEPT:]],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    partial.replace(path)
