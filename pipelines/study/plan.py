"""What a study is made of: its cohorts, its parameters, and where each is kept."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from components.evaluate_model.params import EvaluateParams
from components.prepare_vertebrae.stream_plan import StreamPlan
from components.train_resnet50.params import TrainParams
from models.bone_reference import ScalesParams
from models.errors import ParameterError
from models.evaluation.conformal import conformal_rank
from models.params import load_section
from pipelines.streaming import stream_plan, with_split
from pipelines.study.params import StudyBounds, StudyParams

PAPER_TEST = "paper"


@dataclass(frozen=True)
class StudyPlan:
    """A study.

    Attributes
    ----------
    profile
        Name of the parameters' profile, "" for the file's own values.
    training
        Cohort that is trained on (and, in the paper's protocol, everything else).
    calibration
        Cohort that freezes cut-offs and intervals; None where `training` holds those patients.
    tests
        Test cohorts by name; empty where `training` holds the test patients.
    protocol
        In words, for the page.
    """

    profile: str
    training: StreamPlan
    calibration: StreamPlan | None
    tests: dict[str, StreamPlan]
    train: TrainParams
    evaluate: EvaluateParams
    scales: ScalesParams
    bounds: StudyBounds
    protocol: str

    @property
    def test_names(self) -> tuple[str, ...]:
        """Names of what is judged."""
        return tuple(self.tests) or (PAPER_TEST,)


def study_plan(
    params_file: Path,
    profile: str | None,
    *,
    test_seeds: list[int],
    train_patients: int | None = None,
    validation_patients: int | None = None,
    calibration_patients: int | None = None,
    test_patients: int | None = None,
    train_seed: int | None = None,
    calibration_seed: int | None = None,
) -> StudyPlan:
    """A study with cohorts of its own; what is not named is as section `study` says.

    Raises
    ------
    ParameterError
        Wrong parameters, no test seed, one seed for two cohorts (their patients would be the same), or too few
        calibration patients for prediction intervals.
    """
    own = load_section(params_file, "study", StudyParams, profile)
    given = {
        "train_patients": train_patients,
        "validation_patients": validation_patients,
        "calibration_patients": calibration_patients,
        "test_patients": test_patients,
        "train_seed": train_seed,
        "calibration_seed": calibration_seed,
    }
    study = own.model_copy(update={name: value for name, value in given.items() if value is not None})
    seeds = {"train": study.train_seed, "calibration": study.calibration_seed}
    if not test_seeds:
        raise ParameterError("test seeds: none is named; accepted: one or more whole numbers")
    _refuse_shared_seeds(seeds, test_seeds)
    evaluate = load_section(params_file, "evaluate", EvaluateParams, profile)
    _refuse_few_to_calibrate("study.calibration_patients", study.calibration_patients, evaluate)

    def cohort(seed: int, **counts: int) -> StreamPlan:
        return with_split(stream_plan(params_file, profile, seed=seed), counts)

    return StudyPlan(
        profile=profile or "",
        training=cohort(study.train_seed, train=study.train_patients, validation=study.validation_patients),
        calibration=cohort(study.calibration_seed, calibration=study.calibration_patients),
        tests={f"seed {seed}": cohort(seed, test=study.test_patients) for seed in test_seeds},
        train=load_section(params_file, "train", TrainParams, profile),
        evaluate=evaluate,
        scales=load_section(params_file, "scales", ScalesParams, profile),
        bounds=study.bounds,
        protocol=(
            f"One model, trained on {study.train_patients} patients, stopped on {study.validation_patients} others "
            f"(seed {study.train_seed}); cut-offs and prediction intervals frozen on {study.calibration_patients} "
            f"patients (seed {study.calibration_seed}); then judged on {study.test_patients} patients of each test "
            "seed separately. No patient is in two cohorts."
        ),
    )


def paper_plan(params_file: Path, profile: str) -> StudyPlan:
    """The protocol of the paper that the method comes from: one cohort, exact numbers by split.

    Raises
    ------
    ParameterError
        The profile does not name exact numbers of patients for all four splits, or too few to calibrate on.
    """
    training = stream_plan(params_file, profile)
    split = training.params.prepare.split
    if not split.exact or len(split.used) < 4 or split.patients != training.patients:
        raise ParameterError(
            f"profile {profile}: prepare.split must give exact numbers of patients for all four splits, adding up to "
            f"simulate.patients ({training.patients}); found {', '.join(f'{v:g}' for v in split.in_order())}"
        )
    counts = [int(value) for value in split.in_order()]
    evaluate = load_section(params_file, "evaluate", EvaluateParams, profile)
    _refuse_few_to_calibrate(f"profile {profile}: prepare.split.calibration", counts[2], evaluate)
    return StudyPlan(
        profile=profile,
        training=training,
        calibration=None,
        tests={},
        train=load_section(params_file, "train", TrainParams, profile),
        evaluate=evaluate,
        scales=load_section(params_file, "scales", ScalesParams, profile),
        bounds=load_section(params_file, "study", StudyParams, profile).bounds,
        protocol=(
            f"{training.patients} patients, split {counts[0]}/{counts[1] + counts[2]}/{counts[3]} as in the paper "
            f"(train, validation, test); of its {counts[1] + counts[2]} validation patients {counts[1]} stop the "
            f"training and {counts[2]} freeze cut-offs and prediction intervals, so that neither is chosen on the "
            "other's patients."
        ),
    )


def key_of(*parts: object) -> str:
    """32 hex digits over JSON values: the same parts, the same work."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def _refuse_shared_seeds(seeds: dict[str, int], test_seeds: list[int]) -> None:
    owner: dict[int, str] = {}
    named = [*seeds.items(), *((f"test cohort {k}", seed) for k, seed in enumerate(test_seeds, start=1))]
    for name, seed in named:
        if not 0 <= seed < 2**32:
            raise ParameterError(f"seed {seed}: accepted: 0 to {2**32 - 1}")
        if seed in owner:
            raise ParameterError(
                f"seed {seed} is named for {owner[seed]} and for {name}: the same patients; accepted: seeds that differ"
            )
        owner[seed] = name


def _refuse_few_to_calibrate(key: str, patients: int, evaluate: EvaluateParams) -> None:
    """Before hours of training: too few residuals have no finite interval of the coverage."""
    coverage = evaluate.interval_coverage
    if conformal_rank(patients, coverage) > patients:
        needed = next(n for n in count(1) if conformal_rank(n, coverage) <= n)
        raise ParameterError(
            f"{key}: {patients}; accepted: at least {needed}, which a {coverage:.0%} prediction interval needs"
        )
