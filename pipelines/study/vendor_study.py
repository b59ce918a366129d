"""The leave-one-vendor-out study by itself, on any crop store."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from components.evaluate_model.params import EvaluateParams
from components.train_resnet50.params import TrainParams
from models.bone_reference import ScalesParams
from models.crop_store import SPLITS, open_crop_store
from models.evaluation.report import STATEMENTS
from models.find_crop_store import find_crop_store
from models.params import load_section
from pipelines.study.page import write_page
from pipelines.study.params import StudyParams
from pipelines.study.requirements import vendor_requirements
from pipelines.study.result import model_facts
from pipelines.study.stages import study_folder
from pipelines.study.study_file import StudyResult
from pipelines.study.trained import trained
from pipelines.study.vendor_left_out import leave_vendor_out, vendors_of


def run_vendors_left_out(
    data: Path,
    out: Path,
    *,
    params_file: Path,
    profile: str | None,
    console: Console,
    commit: str | None = None,
    look_log: Path | None = None,
) -> StudyResult:
    """Leave each vendor of a crop store out in turn, beside a model trained on all of them.

    Parameters
    ----------
    data
        Crop store folder, or one that holds it as `crops`; splits train, validation and test.
    look_log
        As in `components.evaluate_model.run.run`.

    Raises
    ------
    CropStoreError, VendorError, TrainingDataError, ...
        Each with what would be accepted.
    """
    store = open_crop_store(find_crop_store(data))
    train = load_section(params_file, "train", TrainParams, profile)
    evaluate = load_section(params_file, "evaluate", EvaluateParams, profile)
    scales = load_section(params_file, "scales", ScalesParams, profile)
    bounds = load_section(params_file, "study", StudyParams, profile).bounds
    vendors = vendors_of(store, [store])
    with study_folder(out):
        model = trained(store, train, out / "model", "train", console, commit)
        left_out = tuple(
            leave_vendor_out(
                vendor,
                training=store,
                tests={"test": store},
                full=model,
                train=train,
                evaluate=evaluate,
                scales=scales,
                folder=out / "vendors" / vendor,
                console=console,
                commit=commit,
                look_log=look_log,
            )
            for vendor in vendors
        )
    of_vendors = vendor_requirements(left_out, bounds)
    patients = store.index.drop_duplicates("patient")["split"].value_counts()
    counted = ", ".join(f"{split} {int(patients.get(split, 0))}" for split in SPLITS)
    result = StudyResult(
        statement=STATEMENTS["simulated" if store.header.data_kind == "simulated" else "site"],
        kind="leave one vendor out",
        profile=profile or "",
        protocol=f"Data version {store.header.data_version}; patients: {counted}.",
        met=all(item.met is True for item in of_vendors),
        cohorts=(),
        model=model_facts(model),
        tests=(),
        left_out=left_out,
        left_out_requirements=of_vendors,
        git_commit=commit,
        params={
            "train": train.model_dump(mode="json"),
            "evaluate": evaluate.model_dump(mode="json"),
            "scales": scales.model_dump(mode="json"),
            "bounds": bounds.model_dump(mode="json"),
        },
    )
    write_page(result, [], None, out)
    return result
