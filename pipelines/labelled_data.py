"""Labelled data that any model can be judged on: a crop store, or a cohort folder taken through the same steps."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import cohort_key
from components.ingest_dicom.run import run as ingest
from components.prepare_vertebrae.params import PrepareParams
from components.prepare_vertebrae.run import run as prepare
from components.simulate_cohort.dataset import open_site_cohort, pinned_version, read_card
from components.validate_dicom.params import ValidateParams
from components.validate_dicom.run import run as validate
from models.crop_store import CropGeometry
from models.errors import InputError
from models.params import load_section
from pipelines.site_key import ensure_site_key
from pipelines.workspace import Workspace

Progress = Callable[[str, int, int], None]


class LabelledDataError(InputError):
    """The folder is neither a crop store nor a cohort."""


@dataclass(frozen=True)
class LabelledData:
    """Data to judge a model on.

    Attributes
    ----------
    store
        Crop store folder.
    split
        In words: which of its patients are judged.
    counts
        What ingest, validate and prepare read, accepted and refused; empty for a store.
    codes
        How often each code refused a series, an exam or a level.
    """

    store: Path
    version: str
    split: str
    counts: dict[str, int] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)


def labelled_data(
    folder: Path,
    *,
    workspace: Workspace,
    geometry: CropGeometry,
    trained_on: str,
    work: Path,
    progress: Progress,
) -> LabelledData:
    """The crop store of `folder`, made first where it is a cohort.

    Every patient of a cohort is a test patient, unless the model was trained on this very data set: then the
    sticky split of training holds, and only its test patients are judged.

    Parameters
    ----------
    geometry
        Of the crops that the model takes; it wins over params.yaml.
    trained_on
        Data version that the model was trained on.
    work
        Folder for tables, pages and crops of a cohort.
    progress
        Called with (step, done, total).

    Raises
    ------
    LabelledDataError, CohortError, and what ingest, validate and prepare raise
        Each with what would be accepted.
    """
    store = require_labelled(folder)
    if store is not None:
        return LabelledData(store, "", "the store's test patients")
    return _prepared(folder, workspace, geometry, trained_on, work, progress)


def require_labelled(folder: Path) -> Path | None:
    """The crop store's folder, or None for a cohort.

    Raises
    ------
    LabelledDataError
        It is neither.
    """
    for store in (folder, folder / "crops"):
        if (store / "store.json").is_file():
            return store
    if not (folder / "cohort.json").is_file():
        raise LabelledDataError(
            f"{folder}: neither a crop store (store.json) nor a cohort folder (cohort.json, dxa.csv, series/); "
            "`osteogate cohort template` makes an empty one"
        )
    return None


def _prepared(
    folder: Path,
    workspace: Workspace,
    geometry: CropGeometry,
    trained_on: str,
    work: Path,
    progress: Progress,
) -> LabelledData:
    kind = str(read_card(folder)["kind"])
    if kind == "site":
        ensure_site_key(workspace.site_key)
    key = cohort_key(kind, workspace.site_key)
    own = folder.resolve() == workspace.data.resolve() and (workspace.root / "data.dvc").is_file()
    version = pinned_version(workspace.root) if own else open_site_cohort(folder).version
    identity = workspace.home / "intake" / version  # says whose each hash is: never beside a report
    work.mkdir(parents=True, exist_ok=True)
    for name in ("intake", "validated", "prepared"):
        shutil.rmtree(work / name, ignore_errors=True)
    ingested = ingest(
        data=folder,
        out=work / "intake",
        key=key,
        params=load_section(workspace.params_file, "ingest", IngestParams),
        identity=identity,
        progress=lambda done, total: progress("read", done, total),
    )
    validated = validate(
        intake=work / "intake",
        dxa_csv=folder / "dxa.csv",
        out=work / "validated",
        key=key,
        params=load_section(workspace.params_file, "validate", ValidateParams),
        data_kind=kind,
        data_version=version,
    )
    params = load_section(workspace.params_file, "prepare", PrepareParams)
    same = version == trained_on
    prepared = prepare(
        data=folder,
        intake=identity,
        accepted=work / "validated" / "accepted.parquet",
        out=work / "prepared",
        key=key,
        params=params.model_copy(update={"geometry": geometry}),
        data_version=version,
        data_kind=kind,
        only_split=None if same else "test",
        progress=lambda done, total: progress("prepare", done, total),
    )
    codes = dict(validated.codes)
    for code, count in prepared.codes.items():
        codes[code] = codes.get(code, 0) + count
    return LabelledData(
        work / "prepared" / "crops",
        version,
        "the test patients of the split that the model was trained with: it has seen the others"
        if same
        else "all patients",
        {**ingested.counts, **validated.counts, **prepared.counts},
        dict(sorted(codes.items(), key=lambda item: (-item[1], item[0]))),
    )
