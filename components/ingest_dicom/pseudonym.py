"""Keyed hashes that stand for patients, studies and series everywhere outside the intake folder."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path

from models.errors import InputError

HASH_DIGITS = 16
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

    def __post_init__(self) -> None:
        if len(self.key) < KEY_BYTES_MIN:
            raise PseudonymKeyError(
                f"pseudonym key: found {len(self.key)} bytes; at least {KEY_BYTES_MIN} are needed"
            )

    def patient(self, patient_id: str) -> str:
        """Hash of a PatientID; "" for an empty one. Padding blanks do not count (DICOM PS3.5 6.2, LO)."""
        return self._hash("patient", patient_id.strip())

    def uid(self, uid: str) -> str:
        """Hash of a study, series or instance UID, or of a file path; "" for an empty one."""
        return self._hash("uid", uid.strip())

    def _hash(self, kind: str, text: str) -> str:
        if not text:
            return ""
        # a file name need not be UTF-8: what Python puts for its other bytes is a name too
        message = f"{kind}:{text}".encode(errors="surrogatepass")
        return hmac.new(self.key, message, hashlib.sha256).hexdigest()[:HASH_DIGITS]


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
