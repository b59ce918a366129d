"""Where a patient's names and crops stand in the workspace, file by file, and what can be done about each."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.ingest_dicom.locations import FILE_NAME as LOCATIONS_FILE
from models.crop_store import CropStoreError, open_crop_store
from models.seen_patients import FILE as SEEN_FILE
from pipelines.retention.patient import PatientNames
from pipelines.workspace import Workspace

TEXT_SUFFIXES = frozenset(
    (".json", ".jsonl", ".html", ".csv", ".txt", ".log", ".md", ".svg", ".progress", ".1")
)
NEVER_READ = frozenset(("keys", "servers"))  # of the home
PICTURES = ("contact_sheet*.png", "figures/saliency.svg", "report.html")  # that show crops
GOLDEN_FILE = "golden.npz"


class Trace(StrEnum):
    """What holds something of the patient."""

    LOCATIONS = "identities in the intake"
    PSEUDONYMS = "records of whose a pseudonym is"
    ORIGINALS = "originals that an interrupted command left"
    ROWS = "rows of tables"
    CROPS = "crops"
    PICTURES = "pictures that may show crops"
    WORDS = "hashes in texts"
    MODEL = "models that have seen the patient"
    GOLDEN = "golden sets with the patient's crops"
    DATABASE = "databases with a hash"


STAYS = frozenset((Trace.MODEL, Trace.GOLDEN, Trace.DATABASE))


@dataclass(frozen=True)
class Found:
    """One place; `path` is a crop store's folder for CROPS, else a file.

    Attributes
    ----------
    count
        Rows, crops, or times that a hash stands there.
    """

    trace: Trace
    path: Path
    count: int


def find_traces(
    workspace: Workspace, names: PatientNames, *, but: Callable[[Path], bool] = lambda _: False
) -> list[Found]:
    """Every place of keyed hashes in home and runs; links are not followed, the key's folder is not read.

    Parameters
    ----------
    but
        Whether a file is looked at elsewhere.
    """
    files = [path for path in _files(workspace) if not but(path)]
    pattern = re.compile(b"|".join(re.escape(token.encode()) for token in sorted(names.tokens)))
    stores = sorted({path.parent for path in files if path.name == "store.json"})
    found = [Found(Trace.LOCATIONS, path, count) for path, count in names.intakes.items()]
    crops: set[bytes] = set()
    for store in stores:
        of_store = crops_of(store, names)
        if of_store:
            found.append(Found(Trace.CROPS, store, len(of_store)))
            crops |= of_store
    for path in files:
        if path.parent in stores or path.name == LOCATIONS_FILE:
            continue
        if path.suffix == ".parquet":
            count = int(matching_rows(pq.read_table(path), names).sum()) if _is_table(path) else 0
            trace = Trace.ROWS
        elif path.name == GOLDEN_FILE:
            count, trace = _golden_crops(path, crops), Trace.GOLDEN
        elif path.name == SEEN_FILE:
            count, trace = len(pattern.findall(path.read_bytes())), Trace.MODEL
        elif path.suffix in TEXT_SUFFIXES:
            count, trace = len(pattern.findall(path.read_bytes())), Trace.WORDS
        elif path.suffix == ".db" and path.name != "prediction_log.db":
            count, trace = len(pattern.findall(path.read_bytes())), Trace.DATABASE
        else:
            continue
        if count:
            found.append(Found(trace, path, count))
    found += _pictures(found)
    return found


def matching_rows(table: pa.Table, names: PatientNames) -> np.ndarray:
    """(N,) bool: rows with a text cell that is one of the names."""
    wanted = pa.array(sorted(names.tokens), pa.string())
    mask = np.zeros(table.num_rows, dtype=bool)
    for column in table.columns:
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            mask |= pc.is_in(column.cast(pa.string()), value_set=wanted).to_numpy(zero_copy_only=False)
    return mask


def crops_of(store: Path, names: PatientNames) -> set[bytes]:
    """The patient's crops in a store, as bytes; none where the store cannot be opened."""
    try:
        opened = open_crop_store(store)
    except CropStoreError:
        return set()
    rows = np.flatnonzero(opened.index["patient"].isin(names.patients).to_numpy())
    return {opened.hu[row].tobytes() for row in rows}


def _golden_crops(path: Path, crops: set[bytes]) -> int:
    """How many crops of a golden set are the patient's, pixel for pixel."""
    if not crops:
        return 0
    try:
        with np.load(path) as golden:
            recorded = golden["crops"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return 0
    return sum(crop.astype(np.int16).tobytes() in crops for crop in recorded)


def _pictures(found: list[Found]) -> list[Found]:
    """Pictures beside the patient's rows or crops; a picture does not say whom it shows."""
    folders = {item.path.parent for item in found if item.trace in (Trace.ROWS, Trace.CROPS)}
    places = sorted({path for folder in folders for name in PICTURES for path in folder.glob(name)})
    return [Found(Trace.PICTURES, path, 1) for path in places if path.is_file() and not path.is_symlink()]


def _is_table(path: Path) -> bool:
    try:
        pq.read_schema(path)
    except (pa.ArrowException, OSError):
        return False
    return True


def _files(workspace: Workspace) -> Iterator[Path]:
    """Regular files of the home and the runs."""
    for root in (workspace.home, workspace.runs):
        for parent, folders, names in os.walk(root):
            if Path(parent) == workspace.home:
                folders[:] = [name for name in folders if name not in NEVER_READ]
            folders.sort()
            for name in sorted(names):
                path = Path(parent, name)
                if path.is_file() and not path.is_symlink():
                    yield path
