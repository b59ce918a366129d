"""From what was judged to what study.json and the page say."""

from __future__ import annotations

from models.artefact import LoadedModel
from models.evaluation.published import published_figures
from models.evaluation.report import STATEMENTS
from pipelines.study.cohort import Cohort
from pipelines.study.judged import Judged
from pipelines.study.plan import StudyPlan
from pipelines.study.requirements import cohort_requirements, vendor_requirements
from pipelines.study.study_file import StudyResult, TestResult
from pipelines.study.vendor_left_out import VendorLeftOut

SHOWN = ("pearson_r", "auc", "mae_g_cm2", "mae")


def study_result(
    plan: StudyPlan,
    model: LoadedModel,
    cohorts: dict[str, Cohort],
    judged: list[Judged],
    left_out: tuple[VendorLeftOut, ...],
    commit: str | None,
) -> StudyResult:
    """The study's facts, and whether it is met: every requirement, and vendors were left out.

    The paper's protocol has no acceptance: `met` is then None.
    """
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
        model=model_facts(model),
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
        test_looks=report.test_looks,
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


def model_facts(model: LoadedModel) -> dict[str, str | int | float]:
    """What the page says of the model."""
    card = model.card
    return {
        "architecture": card.architecture.arch,
        "pixels": card.geometry.pixels,
        "weights_sha256": card.weights_sha256,
        "trained_by_code": card.git_commit or "not in a repository",
        "best_epoch": card.best_epoch,
        "train_patients": card.patients.get("train", 0),
        "validation_patients": card.patients.get("validation", 0),
    }
