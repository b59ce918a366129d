"""Whom a model has seen: keyed hashes of its train, validation and calibration patients, kept beside the weights.

A cohort that grew, or a part of one, has another data version; only this list says that a model would be judged
on patients whom it was trained, stopped or calibrated on.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd

from models.crop_store import CropStore
from models.errors import InputError
from models.key_version import key_versions

FILE = "seen_patients.json"
SCHEMA_VERSION = 1


class SeenPatientsError(InputError):
    """The list beside the weights is damaged or of another schema version."""


def write_seen_patients(index: pd.DataFrame, folder: Path) -> None:
    """Write the list for a crop store's index (columns patient and split) into a model folder."""
    seen = sorted(set(index.loc[index["split"] != "test", "patient"]))
    document = {"schema_version": SCHEMA_VERSION, "patients": seen}
    beside = folder / f".{FILE}.partial"
    beside.write_text(json.dumps(document), encoding="utf-8")
    beside.replace(folder / FILE)


def without_seen(store: CropStore, seen: frozenset[str]) -> tuple[CropStore, int]:
    """The store without test patients whom a model has seen, and how many they are; pixels are shared."""
    known = (store.index["split"] == "test") & store.index["patient"].isin(seen)
    return replace(store, index=store.index[~known]), int(store.index.loc[known, "patient"].nunique())


def refuse_other_key(store: CropStore, seen: frozenset[str], model: Path) -> None:
    """Refuse to compare hashes of two versions of a site's key: one person has another hash under each.

    A model trained on phantoms has seen nobody of a site, and a store of phantoms holds nobody: their key never
    changes.

    Raises
    ------
    SeenPatientsError
        Whom the model has seen cannot be told from these hashes.
    """
    judged = key_versions(store.index.loc[store.index["split"] == "test", "patient"])
    trained = key_versions(seen)
    kinds = {_trained_on(model), store.header.data_kind}
    if trained and judged and trained.isdisjoint(judged) and "simulated" not in kinds:
        raise SeenPatientsError(
            f"the model's patients were hashed with key version {_listed(trained)}, the data's with "
            f"{_listed(judged)}: whom it has seen cannot be told after `osteogate rotate-key`; train anew "
            "(osteogate run --without-champion), or judge it with the old key (OSTEOGATE_SITE_KEY_FILE)"
        )


def _trained_on(model: Path) -> str:
    """The kind of data in the model's card; "" without one."""
    try:
        return str(json.loads((model / "model.json").read_text(encoding="utf-8"))["data_kind"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def read_seen_patients(folder: Path) -> frozenset[str] | None:
    """The list of a model folder; None where the model was trained before lists were kept.

    Raises
    ------
    SeenPatientsError
        Not the list that training writes.
    """
    file = folder / FILE
    if not file.is_file():
        return None
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        version, patients = document["schema_version"], document["patients"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SeenPatientsError(f"{file}: not a list of seen patients ({error})") from error
    if version != SCHEMA_VERSION or not isinstance(patients, list):
        raise SeenPatientsError(f"{file}: schema {version!r}; this version reads {SCHEMA_VERSION}")
    return frozenset(str(patient) for patient in patients)


def _listed(versions: frozenset[int]) -> str:
    return ", ".join(map(str, sorted(versions)))
