"""One patient's request to be forgotten: what is held, what goes, and what only a new model ends."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from components.ingest_dicom.locations import read_locations, write_locations
from models.crop_store import INDEX_COLUMNS, CropStoreWriter, open_crop_store
from monitoring.prediction_log import PredictionLog
from pipelines.retention.carry_out import delete_inside, forget_results, record_deletion
from pipelines.retention.holdings import ITERATION
from pipelines.retention.identities import (
    cohorts_taken_into,
    find_identities,
    is_identity,
    without_pseudonyms,
)
from pipelines.retention.patient import PatientNames, find_names, source_folders
from pipelines.retention.traces import STAYS, Found, Trace, find_traces, matching_rows
from pipelines.workspace import Workspace


@dataclass(frozen=True)
class Account:
    """What is held of one patient.

    Attributes
    ----------
    found
        Every place, those that stay included (`traces.STAYS`).
    answers
        Rows of the prediction log.
    source_file_count, source_folders
        CT files that the intakes name, and the cohorts they lie in: outside the workspace, so the site's to delete.
    """

    names: PatientNames
    found: tuple[Found, ...]
    answers: int
    source_file_count: int
    source_folders: tuple[str, ...]

    def counts(self) -> dict[str, int]:
        """What was found, by kind."""
        totals: Counter[str] = Counter()
        for item in self.found:
            totals[item.trace.value] += item.count if item.trace not in STAYS else 1
        return {**totals, "answers in the prediction log": self.answers}

    @property
    def held(self) -> bool:
        """Whether there is anything."""
        return bool(self.found or self.answers)


def account_of(workspace: Workspace, patient_id: str, study_uids: tuple[str, ...] = ()) -> Account:
    """Find everything held of a patient; nothing is changed."""
    names = find_names(workspace, patient_id, study_uids)
    answers = 0
    if names.studies and (workspace.home / "prediction_log.db").is_file():
        answers = PredictionLog(workspace.prediction_log_url, create=False).count_of(names.studies)
    found = find_traces(workspace, names, but=lambda path: is_identity(path, workspace))
    taken_into = cohorts_taken_into(workspace, names)
    return Account(
        names,
        (*found, *find_identities(workspace, names)),
        answers,
        max(sum(names.source_files.values()), sum(taken_into.values())),
        tuple(sorted({*source_folders(workspace, names), *taken_into})),
    )


def forget(workspace: Workspace, account: Account) -> None:
    """Delete what can be deleted; models and golden sets stay until a new model takes their place.

    What says which series and studies are the patient's goes last, so that the same call ends what a crash broke off.

    Raises
    ------
    CropStoreWriteError, OSError
        Something cannot be written; what was not reached is still there.
    """
    going = [item for item in account.found if item.trace not in STAYS]
    roots = (workspace.home.resolve(), workspace.runs.resolve())
    # an output without this patient is none that a later run may take for its own
    forget_results([_output(item.path, workspace) for item in going], workspace)
    if account.answers:
        PredictionLog(workspace.prediction_log_url, create=False).delete(studies=account.names.studies)
    for item in sorted(going, key=_order):
        if item.trace in (Trace.PICTURES, Trace.ORIGINALS):
            delete_inside(item.path, roots)
        elif item.trace is Trace.WORDS:
            _blank(item.path, account.names)
        elif item.trace is Trace.CROPS:
            _without_crops(item.path, account.names)
        elif item.trace is Trace.ROWS:
            _without_rows(item.path, account.names)
        elif item.trace is Trace.PSEUDONYMS:
            without_pseudonyms(item.path, account.names)
        else:
            _without_places(item.path, account.names)
    record_deletion(
        workspace,
        kind="patient",
        **{name.replace(" ", "_"): count for name, count in account.counts().items()},
    )


def _order(item: Found) -> int:
    """Originals, pictures, words, crops, tables; then the intake's tables, and whose they are."""
    if item.trace in (Trace.LOCATIONS, Trace.PSEUDONYMS):
        return 9
    intake = item.path.name in ("series.parquet", "others.parquet")
    return (
        8
        if intake
        else [Trace.ORIGINALS, Trace.PICTURES, Trace.WORDS, Trace.CROPS, Trace.ROWS].index(item.trace)
    )


def _output(path: Path, workspace: Workspace) -> Path:
    """The step's output folder in KFP's tree that a path lies in, else the path itself."""
    kfp = workspace.home / "kfp"
    if kfp in path.parents:
        parts = path.relative_to(kfp).parts
        depth = 4 if len(parts) > 1 and ITERATION in parts[1] else 3  # run, [shard,] task, output
        if len(parts) >= depth:
            return kfp.joinpath(*parts[:depth])
    return path


def _blank(path: Path, names: PatientNames) -> None:
    pattern = re.compile(b"|".join(re.escape(token.encode()) for token in sorted(names.tokens)))
    content = pattern.sub(lambda match: b"0" * len(match[0]), path.read_bytes())
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    partial.replace(path)


def _without_rows(path: Path, names: PatientNames) -> None:
    table = pq.read_table(path)
    partial = path.with_name(f".{path.name}.partial")
    pq.write_table(table.filter(~matching_rows(table, names)), partial)
    partial.replace(path)


def _without_crops(store: Path, names: PatientNames) -> None:
    """The store anew without the patient; its folder is replaced whole or not at all."""
    opened = open_crop_store(store)
    rows = np.flatnonzero(~opened.index["patient"].isin(names.patients).to_numpy())
    header = opened.header
    with CropStoreWriter(
        store, len(rows), header.geometry, data_version=header.data_version, data_kind=header.data_kind
    ) as writer:
        for row in rows:
            facts = opened.index.iloc[row]
            writer.add(np.asarray(opened.hu[row]), {name: facts[name] for name in INDEX_COLUMNS})


def _without_places(path: Path, names: PatientNames) -> None:
    located = read_locations(path)
    write_locations(
        replace(
            located,
            series={name: place for name, place in located.series.items() if name not in names.series},
            others={name: place for name, place in located.others.items() if name not in names.files},
        ),
        path,
    )
