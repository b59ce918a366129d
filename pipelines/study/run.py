"""Carrying out a study: cohorts, one training, calibration, test cohorts, vendors left out, the page."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from rich.console import Console

from components.evaluate_model.looked_at import with_saliency
from components.evaluate_model.params import EvaluateParams
from components.evaluate_model.run import write_evaluation
from components.prepare_vertebrae.stream_plan import StreamPlan
from components.prepare_vertebrae.stream_store import LATENTS, STORE
from components.prepare_vertebrae.stream_summary import MANIFEST
from components.simulate_cohort.latents import patient_latents
from components.simulate_cohort.patient import draw_patient
from components.train_resnet50.params import TrainParams
from models.artefact import LoadedModel
from models.crop_store import SPLITS, CropStore, open_crop_store
from models.evaluation.published import published_figures
from models.evaluation.report import STATEMENTS
from models.params import load_section
from pipelines.study.judged import Judged, judge
from pipelines.study.page import write_page
from pipelines.study.params import StudyParams
from pipelines.study.plan import PAPER_TEST, StudyPlan
from pipelines.study.requirements import cohort_requirements, vendor_requirements
from pipelines.study.stages import cohort_store
from pipelines.study.study_file import CohortFacts, StudyResult, TestResult
from pipelines.study.trained import predicted, trained
from pipelines.study.vendor_left_out import VendorLeftOut, leave_vendor_out, vendors_of

SHOWN = ("pearson_r", "auc", "mae_g_cm2", "mae")


@dataclass(frozen=True)
class Cohort:
    """A streamed cohort as it is used."""

    folder: Path
    plan: StreamPlan
    store: CropStore

    def facts(self, name: str) -> CohortFacts:
        """What the page says of it."""
        manifest = json.loads((self.folder / MANIFEST).read_text())
        return CohortFacts(
            name=name,
            seed=self.plan.seed,
            data_version=manifest["data_version"],
            patients=manifest["patients"],
            vendors=manifest["vendors"],
            crops=manifest["crops"],
            left_out=manifest["codes"],
            replaced=manifest["replaced"],
        )

    def latents(self) -> pd.DataFrame:
        """Hidden causes by patient, as drawn for the patient: nothing of the scanner, the scan or the labels."""
        table = pd.read_parquet(self.folder / LATENTS)
        return table[["patient", *patient_latents(draw_patient(0, 0))]]


def run_study(
    plan: StudyPlan,
    out: Path,
    *,
    console: Console,
    workers: int | None = None,
    vendors: bool = True,
    commit: str | None = None,
) -> StudyResult:
    """Carry out the study in `out`; what an earlier run finished is kept, what it began goes on.

    Writes study.html and study.json; and for each test cohort an evaluation folder as every model gets one.

    Parameters
    ----------
    vendors
        Whether to leave each vendor out in turn (one more training a vendor).

    Raises
    ------
    OsteoGateError
        From any stage, each with what to do.
    """
    training = _cohort(plan.training, out / "cohorts" / "training", "training cohort", console, workers)
    model = trained(training.store, plan.train, out / "model", "train", console, commit)
    if plan.calibration is None:
        judged, cohorts = _within_one(plan, training, model, out, console)
        tests = {PAPER_TEST: training.store}
    else:
        calibration = _cohort(
            plan.calibration, out / "cohorts" / "calibration", "calibration cohort", console, workers
        )
        of_tests = {
            name: _cohort(
                test, out / "cohorts" / name.replace(" ", "-"), f"test cohort {name}", console, workers
            )
            for name, test in plan.tests.items()
        }
        judged = _apart(plan, training, calibration, of_tests, model, out, console)
        cohorts = {"training": training, "calibration": calibration, **of_tests}
        tests = {name: cohort.store for name, cohort in of_tests.items()}
    judged = [_looked_at(item, plan, model, tests[item.name], out) for item in judged]
    left_out: list[VendorLeftOut] = []
    if vendors:
        for vendor in vendors_of(training.store, list(tests.values())):
            left_out.append(
                leave_vendor_out(
                    vendor,
                    training=training.store,
                    tests=tests,
                    full=model,
                    train=plan.train,
                    evaluate=plan.evaluate,
                    folder=out / "vendors" / vendor,
                    console=console,
                    commit=commit,
                )
            )
    result = _result(plan, model, cohorts, judged, tuple(left_out), commit)
    write_page(result, judged, plan.scales, out)
    return result


def _cohort(plan: StreamPlan, folder: Path, name: str, console: Console, workers: int | None) -> Cohort:
    return Cohort(folder, plan, cohort_store(plan, folder, name, console, workers))


def _apart(
    plan: StudyPlan,
    training: Cohort,
    calibration: Cohort,
    tests: dict[str, Cohort],
    model: LoadedModel,
    out: Path,
    console: Console,
) -> list[Judged]:
    """Judge each test cohort, frozen on the calibration cohort."""
    folder = out / "predictions"
    frozen_on = predicted(
        model, calibration.store, ("calibration",), folder / "calibration", "predict calibration", console
    )
    known = [training.latents(), calibration.latents()]
    judged = []
    for name, test in tests.items():
        rows = predicted(
            model, test.store, ("test",), folder / name.replace(" ", "-"), f"predict {name}", console
        )
        latents = pd.concat([*known, test.latents()], ignore_index=True)
        header = test.store.header
        judged.append(judge(name, plan, model, training.store.index, frozen_on, rows, header, latents))
    return judged


def _within_one(
    plan: StudyPlan, cohort: Cohort, model: LoadedModel, out: Path, console: Console
) -> tuple[list[Judged], dict[str, Cohort]]:
    """Judge the test patients of a cohort that holds all four splits."""
    rows = predicted(
        model, cohort.store, ("calibration", "test"), out / "predictions" / PAPER_TEST, "predict", console
    )
    index = cohort.store.index
    training = index[index["split"].isin(["train", "validation"])]
    frozen_on, test = (rows[rows["split"] == split] for split in ("calibration", "test"))
    header, latents = cohort.store.header, cohort.latents()
    item = judge(PAPER_TEST, plan, model, training, frozen_on, test, header, latents)
    return [item], {PAPER_TEST: cohort}


def _looked_at(item: Judged, plan: StudyPlan, model: LoadedModel, test: CropStore, out: Path) -> Judged:
    """The judged cohort with its saliency; its evaluation folder is written."""
    seen, attributions = with_saliency(item.evaluation, model, test, plan.evaluate.resampling)
    folder = out / "evaluations" / item.name.replace(" ", "-")
    write_evaluation(seen, None, item.crops, plan.scales, folder, model, attributions)
    return replace(item, evaluation=seen)


def _result(
    plan: StudyPlan,
    model: LoadedModel,
    cohorts: dict[str, Cohort],
    judged: list[Judged],
    left_out: tuple[VendorLeftOut, ...],
    commit: str | None,
) -> StudyResult:
    paper = plan.calibration is None
    tests = tuple(_test_result(item, plan) for item in judged)
    of_vendors = vendor_requirements(left_out, plan.bounds)
    every = [item for test in tests for item in test.requirements] + list(of_vendors)
    return StudyResult(
        statement=STATEMENTS["simulated"],
        kind="paper" if paper else "study",
        profile=plan.profile,
        protocol=plan.protocol,
        met=None if paper else all(item.met is True for item in every) and bool(of_vendors),
        cohorts=tuple(cohort.facts(name) for name, cohort in cohorts.items()),
        model=_model_facts(model),
        tests=tests,
        left_out=left_out,
        left_out_requirements=of_vendors,
        paper=published_figures(plan.evaluate.confidence) if paper else {},
        git_commit=commit,
        params={
            "train": plan.train.model_dump(mode="json"),
            "evaluate": plan.evaluate.model_dump(mode="json"),
            "scales": plan.scales.model_dump(mode="json"),
            "prepare": plan.training.params.prepare.model_dump(mode="json"),
            "bounds": plan.bounds.model_dump(mode="json"),
        },
    )


def _test_result(item: Judged, plan: StudyPlan) -> TestResult:
    report = item.evaluation.report
    return TestResult(
        name=item.name,
        patients=report.counts.judged_patients["test"],
        requirements=cohort_requirements(report, plan.bounds),
        metrics=report.patient,
        baselines={
            name: {key: metric for key, metric in metrics.items() if key.endswith(SHOWN)}
            for name, metrics in report.baselines.items()
        },
        gains=report.gains,
        by_vendor={
            name: {key: metric for key, metric in metrics.items() if key.endswith(SHOWN)}
            for name, metrics in report.by_vendor.items()
        },
    )


def run_vendors_left_out(
    data: Path,
    out: Path,
    *,
    params_file: Path,
    profile: str | None,
    console: Console,
    commit: str | None = None,
) -> StudyResult:
    """Leave each vendor of a crop store out in turn, beside a model trained on all of them.

    Parameters
    ----------
    data
        Crop store folder, or one that holds it as `crops`; splits train, validation and test.

    Raises
    ------
    CropStoreError, VendorError, TrainingDataError, ...
        Each with what would be accepted.
    """
    folder = data / STORE if (data / STORE / "store.json").is_file() else data
    store = open_crop_store(folder)
    train = load_section(params_file, "train", TrainParams, profile)
    evaluate = load_section(params_file, "evaluate", EvaluateParams, profile)
    bounds = load_section(params_file, "study", StudyParams, profile).bounds
    vendors = vendors_of(store, [store])
    model = trained(store, train, out / "model", "train", console, commit)
    left_out = tuple(
        leave_vendor_out(
            vendor,
            training=store,
            tests={"test": store},
            full=model,
            train=train,
            evaluate=evaluate,
            folder=out / "vendors" / vendor,
            console=console,
            commit=commit,
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
        model=_model_facts(model),
        tests=(),
        left_out=left_out,
        left_out_requirements=of_vendors,
        git_commit=commit,
        params={
            "train": train.model_dump(mode="json"),
            "evaluate": evaluate.model_dump(mode="json"),
            "bounds": bounds.model_dump(mode="json"),
        },
    )
    write_page(result, [], None, out)
    return result


def _model_facts(model: LoadedModel) -> dict[str, str | int | float]:
    card = model.card
    return {
        "architecture": card.architecture.arch,
        "pixels": card.geometry.pixels,
        "weights_sha256": card.weights_sha256,
        "best_epoch": card.best_epoch,
        "train_patients": card.patients.get("train", 0),
        "validation_patients": card.patients.get("validation", 0),
    }
