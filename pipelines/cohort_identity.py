"""Whether a cohort names its patients: its card says under which key it was de-identified; the two are never mixed."""

from __future__ import annotations

import json
from pathlib import Path

from components.ingest_dicom.deidentify.plan import CARD, SERIES
from components.ingest_dicom.pseudonym import Pseudonymiser
from components.simulate_cohort.dataset import read_card
from models.errors import InputError

KEY_FIELD = "deidentified_with_key"


class CohortIdentityError(InputError):
    """What is to be taken in does not go with what the cohort holds."""


def declare_deidentified(cohort: Path, pseudonymiser: Pseudonymiser) -> None:
    """Write the key's id into the cohort's card before the first copy comes in.

    Raises
    ------
    CohortIdentityError
        The cohort is of phantoms, holds originals, or was de-identified with another key.
    """
    card = read_card(cohort)
    made_with = card.get(KEY_FIELD)
    if made_with == pseudonymiser.key_id:
        return
    if made_with is not None:
        raise CohortIdentityError(
            f"{cohort}: de-identified with key {made_with}, not with the site's present one; name a new folder"
        )
    if card["kind"] != "site":
        raise CohortIdentityError(
            f"{cohort}: holds phantoms, whose key is public; name another folder for patients, or add phantoms "
            "with --keep-originals"
        )
    if any((cohort / SERIES).glob("*")):
        raise CohortIdentityError(
            f"{cohort}: holds files that were not de-identified; take them into a new folder as well (osteogate "
            f"ingest {cohort} NEW), or add originals to them with --keep-originals"
        )
    partial = cohort / f".{CARD}.partial"
    partial.write_text(json.dumps({**card, KEY_FIELD: pseudonymiser.key_id}, indent=2), encoding="utf-8")
    partial.replace(cohort / CARD)


def refuse_deidentified(cohort: Path) -> None:
    """Keep originals out of a cohort that says that it names nobody.

    Raises
    ------
    CohortIdentityError
        It says so.
    """
    if KEY_FIELD in read_card(cohort):
        raise CohortIdentityError(
            f"{cohort}: says that it names nobody; name another folder for originals, or leave --keep-originals out"
        )
