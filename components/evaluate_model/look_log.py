"""The log of looks at test patients: whoever was looked at before is no longer unseen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from models.errors import InputError, OsteoGateError

SALT = "osteogate look at test patient:"
DIGITS = 12  # 48 bits: of 10,000 patients two alike once in five million


class LookLogError(OsteoGateError):
    """The look could not be logged, so nothing is judged."""


def note_look(log: Path, patients: Iterable[str], *, data_version: str, weights_sha256: str) -> int:
    """Append this look, and count it and every earlier one that shares a test patient with it.

    A line is a JSON object: `at`, `data_version`, `weights_sha256`, `test_set` and, the first time that this set is
    looked at, `patients` (a salted hash each, no identifier). A line of an earlier version names no patients:
    it counts where its `data_version` is the same.

    Parameters
    ----------
    log
        JSON-lines file that outlives runs.
    patients
        Test patients by their keyed hashes, as the crop store has them.

    Raises
    ------
    LookLogError
        Disk full, say.
    InputError
        A line of the log is not a JSON object.
    """
    hashes = sorted({_of_patient(patient) for patient in patients})
    test_set = hashlib.sha256(" ".join(hashes).encode()).hexdigest()[:DIGITS]
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        looks = _read(log)
        known = _patients_of_sets(looks)
        look = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "data_version": data_version,
            "weights_sha256": weights_sha256,
            "test_set": test_set,
        }
        with log.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(look if test_set in known else {**look, "patients": hashes}) + "\n")
    except OSError as error:
        raise LookLogError(f"{log}: look at the test patients not logged ({error.strerror})") from error
    now = frozenset(hashes)
    return 1 + sum(_shares(earlier, known, now, data_version) for earlier in looks)


def carry_to_new_key(log: Path, new_hash: dict[str, str]) -> tuple[int, int]:
    """After a rotation: name each logged patient by the hash under the new key as well.

    Old names stay, so that a look under either key counts the earlier ones. A second time nothing changes.

    Parameters
    ----------
    new_hash
        Keyed hash of a patient under the old key, to the one under the new.

    Returns
    -------
    Patients the log names under the old key: how many were carried, and how many `new_hash` does not know.

    Raises
    ------
    LookLogError, InputError
        As `note_look`.
    """
    salted = {_of_patient(old): _of_patient(new) for old, new in new_hash.items()}
    added = set(salted.values())
    looks, carried, unknown = _read(log), set(), set()
    for look in looks:
        if isinstance(look.get("patients"), list):
            named = set(map(str, look["patients"])) - added
            carried |= named & salted.keys()
            unknown |= named - salted.keys()
            look["patients"] = sorted({*named, *(salted[old] for old in named & salted.keys()),
                                       *(set(map(str, look["patients"])) & added)})  # fmt: skip
    if looks:
        partial = log.with_name(f".{log.name}.partial")
        try:
            partial.write_text("".join(json.dumps(look) + "\n" for look in looks), encoding="utf-8")
            partial.replace(log)
        except OSError as error:
            raise LookLogError(f"{log}: not carried to the new key ({error.strerror})") from error
    return len(carried), len(unknown)


def _of_patient(patient: str) -> str:
    return hashlib.sha256((SALT + patient).encode()).hexdigest()[:DIGITS]


def _read(log: Path) -> list[dict[str, Any]]:
    if not log.is_file():  # a device is never read to its end
        return []
    try:
        looks = [json.loads(text) for text in log.read_text(encoding="utf-8").splitlines() if text.strip()]
    except ValueError as error:
        raise InputError(f"{log}: a line is not JSON ({error}); mend or move the log") from error
    if not all(isinstance(look, dict) for look in looks):
        raise InputError(f"{log}: a line is not a JSON object; mend or move the log")
    return looks


def _patients_of_sets(looks: list[dict[str, Any]]) -> dict[str, frozenset[str]]:
    return {
        str(look["test_set"]): frozenset(map(str, look["patients"]))
        for look in looks
        if "test_set" in look and isinstance(look.get("patients"), list)
    }


def _shares(
    earlier: dict[str, Any], known: dict[str, frozenset[str]], now: frozenset[str], data_version: str
) -> bool:
    """Whether an earlier look was at any of these patients; by the data's version where it names nobody."""
    then = known.get(str(earlier.get("test_set")))
    return earlier.get("data_version") == data_version if then is None else not then.isdisjoint(now)
