"""Streamed cohorts as params.yaml describes them."""

from __future__ import annotations

from pathlib import Path

from components.ingest_dicom.params import IngestParams
from components.prepare_vertebrae.params import PrepareParams, SplitParams
from components.prepare_vertebrae.stream_plan import StreamPlan
from components.prepare_vertebrae.streamed_patient import StreamParams
from components.simulate_cohort.params import SimulateParams
from components.validate_dicom.params import ValidateParams
from models.crop_store import SPLITS
from models.errors import ParameterError
from models.params import load_section


def stream_plan(
    params_file: Path,
    profile: str | None,
    *,
    patients: int | None = None,
    seed: int | None = None,
    split: str | None = None,
) -> StreamPlan:
    """The plan of a cohort by the file's sections under a profile.

    Parameters
    ----------
    patients, seed
        None takes those of section `simulate`.
    split
        Everybody belongs to this split; None splits as section `prepare` says.

    Raises
    ------
    ParameterError
        Wrong keys or values, or an unknown split.
    """
    simulate = load_section(params_file, "simulate", SimulateParams, profile)
    sections = StreamParams(
        ingest=load_section(params_file, "ingest", IngestParams, profile),
        validate=load_section(params_file, "validate", ValidateParams, profile),
        prepare=load_section(params_file, "prepare", PrepareParams, profile),
    )
    plan = StreamPlan(
        simulate.patients if patients is None else patients,
        simulate.seed if seed is None else seed,
        simulate,
        sections,
    )
    return plan if split is None else with_split(plan, {split: plan.patients})


def with_split(plan: StreamPlan, counts: dict[str, int]) -> StreamPlan:
    """The plan with exact numbers of patients by split; splits not named stay empty.

    Raises
    ------
    ParameterError
        An unknown split.
    """
    unknown = sorted(set(counts) - set(SPLITS))
    if unknown:
        raise ParameterError(f"split {unknown[0]!r} is unknown; accepted: {', '.join(SPLITS)}")
    prepare = plan.params.prepare
    numbers = dict.fromkeys(SPLITS, 0.0) | {name: float(count) for name, count in counts.items()}
    split = SplitParams(**numbers, salt=prepare.split.salt, absent_vendor=prepare.split.absent_vendor)
    return StreamPlan(
        sum(counts.values()),
        plan.seed,
        plan.simulate,
        StreamParams(plan.params.ingest, plan.params.validate, prepare.model_copy(update={"split": split})),
        plan.replace_refused,
    )
