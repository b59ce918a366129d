"""Keyed hashes that stand for patients, studies and series everywhere outside the intake folder."""

from __future__ import annotations

import hashlib
import hmac
import re
import uuid
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from models.errors import InputError
from models.key_version import FIRST_VERSION, version_prefix

HASH_DIGITS = 16
KEY_ID_DIGITS = 8
# Part of the scheme, not a setting: another value would give one patient two shifts. Own choice: a year hides the
# day and stays in the scanner's era; never 0, and only into the past, so that no date lies in the future.
DATE_SHIFT_DAYS_MAX = 365
# a key that replaced another says so itself (`osteogate rotate-key`)
ROTATED_KEY = re.compile(rb"osteogate-key-(\d{1,6}):")
KEY_BYTES_MIN = 16

# Phantoms have no identity to protect: a public key makes the splits of the simulated cohort repeatable.
SIMULATED_KEY = b"osteogate-simulated-cohort-public-key"


class PseudonymKeyError(InputError):
    """The site's key file cannot be used."""


@dataclass(frozen=True, repr=False)
class Pseudonymiser:
    """HMAC-SHA256 of identifiers, cut to 16 hex digits.

    A patient and a uid of the same text get different hashes, so that one table can never be
    joined to the other by accident.

    Raises
    ------
    PseudonymKeyError
        When the key is shorter than 16 bytes.
    """

    key: bytes

    @property
    def version(self) -> int:
        """1, and one more for each rotation; the hashes of a rotated key say it (`k2-...`)."""
        match = ROTATED_KEY.match(self.key)
        return int(match[1]) if match else FIRST_VERSION

    @property
    def key_id(self) -> str:
        """8 hex digits that name the key and say nothing of it."""
        return self._digest("key-id").hex()[:KEY_ID_DIGITS]

    def __post_init__(self) -> None:
        if len(self.key) < KEY_BYTES_MIN:
            raise PseudonymKeyError(
                f"pseudonym key: found {len(self.key)} bytes; at least {KEY_BYTES_MIN} are needed"
            )

    def patient(self, patient_id: str) -> str:
        """Hash of a PatientID; "" for an empty one. Padding blanks do not count (DICOM PS3.5 6.2, LO).

        What `new_patient_id` wrote under this very key is recognised: a patient has one hash, whether the
        original is read or its de-identified copy, and stays in his split.
        """
        return self._already(patient_id) or self._hash("patient", patient_id.strip())

    def new_patient_id(self, patient_id: str) -> str:
        """The PatientID of a de-identified copy: the key's id and the patient's hash; "" for an empty one."""
        patient = self.patient(patient_id)
        return f"OG-{self.key_id}-{patient}" if patient else ""

    def made(self, patient_id: str) -> bool:
        """Whether `new_patient_id` made this PatientID under this key: its object's UIDs and dates are new too."""
        return bool(self._already(patient_id))

    def new_uid(self, uid: str) -> str:
        """The UID that stands for `uid` in a de-identified copy: 2.25. and a UUID (DICOM PS3.5 B.2)."""
        return f"2.25.{uuid.UUID(bytes=self._digest('new-uid:' + uid.strip())[:16], version=5).int}"

    def date_shift_days(self, patient_id: str, study_uid: str = "") -> int:
        """Whole days by which all dates of a patient lie earlier: -1 to -365, the same in CT and DXA table.

        0 for phantoms, who have no dates to hide, and where the dates were shifted already. A study without
        PatientID is shifted by its UID.
        """
        if self.key == SIMULATED_KEY or self._already(patient_id):
            return 0
        whose = f"patient:{patient_id.strip()}" if patient_id.strip() else f"study:{study_uid.strip()}"
        return -1 - int.from_bytes(self._digest(f"date-shift:{whose}")[:8], "big") % DATE_SHIFT_DAYS_MAX

    def shifted(self, day: date, patient_id: str, study_uid: str = "") -> date | None:
        """`day` under the patient's shift; None when that leaves the calendar."""
        try:
            return day + timedelta(days=self.date_shift_days(patient_id, study_uid))
        except OverflowError:
            return None

    def uid(self, uid: str) -> str:
        """Hash of a study, series or instance UID, or of a file path; "" for an empty one."""
        return self._hash("uid", uid.strip())

    def _hash(self, kind: str, text: str) -> str:
        if not text:
            return ""
        return version_prefix(self.version) + self._digest(f"{kind}:{text}").hex()[:HASH_DIGITS]

    def _already(self, patient_id: str) -> str:
        """The hash in a PatientID of `new_patient_id`; "" in any other, and in one of another key."""
        start, text = f"OG-{self.key_id}-", patient_id.strip()
        digits = text.removeprefix(start + version_prefix(self.version))
        own = text.startswith(start) and re.fullmatch(rf"[0-9a-f]{{{HASH_DIGITS}}}", digits)
        return text.removeprefix(start) if own else ""

    def _digest(self, message: str) -> bytes:
        # a file name need not be UTF-8: what Python puts for its other bytes is a name too
        return hmac.new(self.key, message.encode(errors="surrogatepass"), hashlib.sha256).digest()


def cohort_key(data_kind: str, site_key: Path) -> bytes:
    """The key of a cohort: public for "simulated" data, else the site's own from `site_key`."""
    return SIMULATED_KEY if data_kind == "simulated" else read_key(site_key)


def read_key(path: Path) -> bytes:
    """A site's key: the bytes of a file, without white space around them.

    Raises
    ------
    PseudonymKeyError
        When the file is missing, unreadable or shorter than 16 bytes.
    """
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise PseudonymKeyError(
            f"{path}: key cannot be read ({error.strerror}); name a file of {KEY_BYTES_MIN}+ random bytes"
        ) from error
    if len(key) < KEY_BYTES_MIN:
        raise PseudonymKeyError(
            f"{path}: key has {len(key)} bytes; at least {KEY_BYTES_MIN} random bytes are needed"
        )
    return key
