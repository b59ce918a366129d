"""Labelled data that any model can be judged on: a crop store, or a cohort folder taken through the same steps."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import cohort_key
from components.prepare_vertebrae.params import PrepareParams
from components.segment_levels.params import SegmentParams
from components.simulate_cohort.dataset import open_site_cohort, pinned_version, read_card
from components.validate_dicom.params import ValidateParams
from models.crop_store import CropGeometry, open_crop_store
from models.errors import InputError, OsteoGateError, ParameterError
from models.find_crop_store import find_crop_store
from models.params import load_section
from models.write_failure import unwritten
from pipelines.site_key import ensure_site_key, refuse_retired_key
from pipelines.workspace import Workspace

Progress = Callable[[str, int, int], None]
STEPS = ("intake", "validated", "segmented", "prepared")
MARKER = ".steps-of-evaluate"  # what is beside it in folders of these names may be removed


class LabelledDataError(InputError):
    """The folder is neither a crop store nor a cohort."""


class EvaluationTargetError(ParameterError):
    """What is in the folder for tables and crops is of no evaluation, and is left alone."""


class LabelledDataWriteError(OsteoGateError):
    """The folder for tables and crops cannot be made or emptied."""


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
    EvaluationTargetError, LabelledDataWriteError
        As `refuse_steps`; or the folder cannot be made.
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
    store = find_crop_store(folder)
    if (store / "store.json").is_file():
        return store
    if not (folder / "cohort.json").is_file():
        raise LabelledDataError(
            f"{folder}: neither a crop store (store.json) nor a cohort folder (cohort.json, dxa.csv, series/); "
            "`osteogate cohort template` makes an empty one"
        )
    return None


def refuse_steps(work: Path) -> None:
    """Leave folders intake, validated and prepared alone that no evaluation made.

    Raises
    ------
    EvaluationTargetError
        One of them is there, and neither the mark of an evaluation nor a report.
    """
    there = [name for name in STEPS if os.path.lexists(work / name)]
    from components.evaluate_model.run import REPORT_FILE

    if there and not any((work / name).is_file() for name in (MARKER, REPORT_FILE)):
        raise EvaluationTargetError(
            f"{work}: holds {', '.join(there)}, of no evaluation, and is left alone; name a new folder"
        )


def _open(work: Path) -> None:
    """The folder, marked, without what an earlier evaluation left of these steps."""
    refuse_steps(work)
    try:
        work.mkdir(parents=True, exist_ok=True)
        (work / MARKER).write_text("")
        for name in STEPS:
            if os.path.lexists(work / name):
                shutil.rmtree(work / name)
    except OSError as error:
        raise LabelledDataWriteError(f"{work}: not emptied {unwritten(error)}") from error


def version_of(folder: Path, workspace: Workspace) -> str:
    """Version of a crop store or of a cohort, as its evaluation will name it.

    Raises
    ------
    LabelledDataError, CohortError, CropStoreError
        It is neither, or damaged.
    """
    store = require_labelled(folder)
    if store is not None:
        return open_crop_store(store).header.data_version
    own = folder.resolve() == workspace.data.resolve() and (workspace.root / "data.dvc").is_file()
    return pinned_version(workspace.root) if own else open_site_cohort(folder).version


def _prepared(
    folder: Path,
    workspace: Workspace,
    geometry: CropGeometry,
    trained_on: str,
    work: Path,
    progress: Progress,
) -> LabelledData:
    # here: what is no labelled data is said before the steps are loaded, which takes seconds
    from components.ingest_dicom.run import run as ingest
    from components.prepare_vertebrae.run import run as prepare
    from components.segment_levels.run import run as segment
    from components.validate_dicom.run import run as validate

    kind = str(read_card(folder)["kind"])
    if kind == "site":
        ensure_site_key(workspace.site_key)
        refuse_retired_key(folder, workspace.site_key)
    key = cohort_key(kind, workspace.site_key)
    version = version_of(folder, workspace)
    identity = workspace.home / "intake" / version  # says whose each hash is: never beside a report
    _open(work)
    ingested = ingest(
        data=folder,
        out=work / "intake",
        key=key,
        params=load_section(workspace.params_file, "ingest", IngestParams),
        identity=identity,
        progress=lambda done, total: progress("read", done, total),
    )
    engine = load_section(workspace.params_file, "segment", SegmentParams)
    validated = validate(
        intake=work / "intake",
        dxa_csv=folder / "dxa.csv",
        out=work / "validated",
        key=key,
        params=load_section(workspace.params_file, "validate", ValidateParams),
        data_kind=kind,
        data_version=version,
        levels_follow=engine.engine is not None,
    )
    segment(
        data=folder,
        intake=identity,
        accepted=work / "validated" / "accepted.parquet",
        out=work / "segmented",
        params=engine,
        progress=lambda done, total: progress("segment", done, total),
    )
    params = load_section(workspace.params_file, "prepare", PrepareParams)
    same = version == trained_on
    prepared = prepare(
        data=folder,
        intake=identity,
        accepted=work / "validated" / "accepted.parquet",
        segmented=work / "segmented",
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
