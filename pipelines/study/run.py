"""Carrying out a study: cohorts, one training, calibration, test cohorts, vendors left out, the page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
from rich.console import Console

from components.evaluate_model.looked_at import with_saliency
from components.evaluate_model.run import look_at_store, write_evaluation
from components.prepare_vertebrae.stream_plan import StreamPlan
from models.artefact import LoadedModel
from models.crop_store import CropStore
from pipelines.study.cohort import Cohort, planned_people
from pipelines.study.judged import Judged, judge
from pipelines.study.page import write_page
from pipelines.study.plan import PAPER_TEST, StudyPlan
from pipelines.study.result import study_result
from pipelines.study.stages import cohort_store, study_folder
from pipelines.study.study_file import StudyResult
from pipelines.study.trained import predicted, trained
from pipelines.study.vendor_left_out import leavable, leave_vendor_out, vendors_of


def run_study(
    plan: StudyPlan,
    out: Path,
    *,
    console: Console,
    workers: int | None = None,
    vendors: bool = True,
    commit: str | None = None,
    look_log: Path | None = None,
) -> StudyResult:
    """Carry out the study in `out`; what an earlier run finished is kept, what it began goes on.

    Writes study.html and study.json, first when the test cohorts are judged (`met` None while vendors are still to be
    left out), again when all is done; and for each test cohort an evaluation folder as every model gets one.

    Parameters
    ----------
    vendors
        Whether to leave each vendor out in turn (one more training a vendor).
    look_log
        As in `components.evaluate_model.run.run`: each test cohort, and each vendor's part of them, is a look.

    Raises
    ------
    VendorError
        A vendor is to be left out and cannot be, as planned or as streamed; before anything is trained.
    OsteoGateError
        From any stage, each with what to do.
    """
    if vendors:  # a plan that leaves nobody to judge ends here, not after its training
        planned = [planned_people(test) for test in plan.tests.values()] or [planned_people(plan.training)]
        leavable(planned_people(plan.training), planned)
    with study_folder(out):
        folder = out / "cohorts"
        training = _cohort(plan.training, folder / "training", "training cohort", console, workers)
        cohorts = {"training": training}
        if plan.calibration is not None:
            cohorts["calibration"] = _cohort(
                plan.calibration, folder / "calibration", "calibration cohort", console, workers
            )
        of_tests = {
            name: _cohort(test, folder / name.replace(" ", "-"), f"test cohort {name}", console, workers)
            for name, test in plan.tests.items()
        }
        if plan.calibration is None:
            cohorts, tests = {PAPER_TEST: training}, {PAPER_TEST: training.store}
        else:
            cohorts, tests = (
                {**cohorts, **of_tests},
                {name: cohort.store for name, cohort in of_tests.items()},
            )
        to_leave_out = vendors_of(training.store, list(tests.values())) if vendors else ()
        frozen_on = cohorts["calibration"].store if plan.calibration is not None else None
        model = trained(
            training.store, plan.train, out / "model", "train", console, commit, frozen_on=frozen_on
        )
        if plan.calibration is None:
            judged = _within_one(plan, training, model, out, console, look_log)
        else:
            judged = _apart(plan, training, cohorts["calibration"], of_tests, model, out, console, look_log)
        judged = [_looked_at(item, plan, model, tests[item.name], out) for item in judged]
        result = study_result(plan, model, cohorts, judged, (), commit)
        if to_leave_out:  # what is known by now, should the trainings that follow be interrupted
            result = result.model_copy(update={"met": None})
        write_page(result, judged, plan.scales, out)
        if not to_leave_out:
            return result
        left_out = tuple(
            leave_vendor_out(
                vendor,
                training=training.store,
                tests=tests,
                full=model,
                train=plan.train,
                evaluate=plan.evaluate,
                scales=plan.scales,
                folder=out / "vendors" / vendor,
                console=console,
                commit=commit,
                look_log=look_log,
            )
            for vendor in to_leave_out
        )
        result = study_result(plan, model, cohorts, judged, left_out, commit)
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
    look_log: Path | None,
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
        header, looks = test.store.header, look_at_store(look_log, test.store, model)
        judged.append(judge(name, plan, model, training.store.index, frozen_on, rows, header, latents, looks))
    return judged


def _within_one(
    plan: StudyPlan, cohort: Cohort, model: LoadedModel, out: Path, console: Console, look_log: Path | None
) -> list[Judged]:
    """Judge the test patients of a cohort that holds all four splits."""
    rows = predicted(
        model, cohort.store, ("calibration", "test"), out / "predictions" / PAPER_TEST, "predict", console
    )
    index = cohort.store.index
    training = index[index["split"].isin(["train", "validation"])]
    frozen_on, test = (rows[rows["split"] == split] for split in ("calibration", "test"))
    header, latents = cohort.store.header, cohort.latents()
    looks = look_at_store(look_log, cohort.store, model)
    return [judge(PAPER_TEST, plan, model, training, frozen_on, test, header, latents, looks)]


def _looked_at(item: Judged, plan: StudyPlan, model: LoadedModel, test: CropStore, out: Path) -> Judged:
    """The judged cohort with its saliency; its evaluation folder is written."""
    seen, attributions = with_saliency(item.evaluation, model, test, plan.evaluate.resampling)
    folder = out / "evaluations" / item.name.replace(" ", "-")
    write_evaluation(seen, None, item.crops, plan.scales, folder, model, attributions)
    return replace(item, evaluation=seen)
