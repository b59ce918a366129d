"""The site's pseudonymisation key: made once, readable by its owner only, never overwritten.

It is `keys/site.key` of the runtime home, or the file that `OSTEOGATE_SITE_KEY_FILE` names (what a secret store
mounts).
A key that `osteogate rotate-key` retired stays beside it as `site.key.v1`, `site.key.v2` and so on.
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

import structlog

from components.ingest_dicom.pseudonym import Pseudonymiser, PseudonymKeyError, read_key
from models.errors import InputError

KEY_VARIABLE = "OSTEOGATE_SITE_KEY_FILE"
log = structlog.get_logger()


class RetiredKeyError(InputError):
    """A de-identified cohort was made with a key that has been replaced."""


def ensure_site_key(path: Path) -> None:
    """Make the key where there is none; whoever holds it can link hashes to patients by guessing.

    Raises
    ------
    PseudonymKeyError
        The file that the environment names is not there: a secret store's key is never made up.
    """
    if path.exists():
        return
    if os.environ.get(KEY_VARIABLE):
        raise PseudonymKeyError(
            f"{path}: no such key; {KEY_VARIABLE} must name the file that the secret store writes"
        )
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_hex(32))
    log.info(
        "site key made; keep it safe: another key moves patients between training and test", path=str(path)
    )


def retired_keys(path: Path) -> dict[str, Path]:
    """Key id to file of the keys that were replaced."""
    retired = sorted(path.parent.glob(f"{path.name}.v*"))
    return {Pseudonymiser(read_key(file)).key_id: file for file in retired}


def refuse_retired_key(cohort: Path, path: Path) -> None:
    """Refuse a cohort whose de-identified copy carries pseudonyms of a retired key of this site.

    Under another key its patients would get other hashes than the same patients' originals, and nobody could say
    who is in training and who in test. A copy that another site made is taken as it is.

    Raises
    ------
    RetiredKeyError
        Naming the key, and what to do.
    """
    try:
        made_with = str(json.loads((cohort / "cohort.json").read_text())["deidentified_with_key"])
    except (OSError, ValueError, KeyError, TypeError):
        return  # no de-identified copy; a card that is wrong is refused where it is read
    retired = retired_keys(path)
    if made_with in retired:
        raise RetiredKeyError(
            f"{cohort}: de-identified with key {made_with}, which was replaced; de-identify the originals again "
            f"(osteogate deidentify), or work with the old key: {KEY_VARIABLE}={retired[made_with]}"
        )
