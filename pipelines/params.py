"""params.yaml as a whole: every section checked before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.deploy_triton.params import DeployParams
from components.evaluate_model.params import EvaluateParams
from components.gate_promotion.params import GateParams
from components.ingest_dicom.params import IngestParams
from components.prepare_vertebrae.params import PrepareParams
from components.segment_levels.params import SegmentParams
from components.simulate_cohort.params import SimulateParams
from components.train_resnet50.params import TrainParams
from components.validate_dicom.params import ValidateParams
from models.bone_reference import ScalesParams
from models.errors import ParameterError
from models.params import PROFILES, Section, parse_section, read_params_file
from monitoring.params import MonitorParams
from pipelines.retention.params import RetentionParams
from pipelines.shard_params import PipelineParams
from pipelines.study.params import StudyParams

SECTIONS: dict[str, type[Section]] = {
    "simulate": SimulateParams,
    "ingest": IngestParams,
    "validate": ValidateParams,
    "segment": SegmentParams,
    "prepare": PrepareParams,
    "train": TrainParams,
    "scales": ScalesParams,
    "evaluate": EvaluateParams,
    "gate": GateParams,
    "deploy": DeployParams,
    "monitor": MonitorParams,
    "pipeline": PipelineParams,
    "retention": RetentionParams,
    "study": StudyParams,
}


def read_params(path: Path, profile: str | None = None) -> dict[str, Any]:
    """Every section of the file as plain values, a profile's overrides merged in and defaults filled in.

    Raises
    ------
    ParameterError
        One line naming every wrong, missing or unknown key, or the unknown profile.
    """
    document = read_params_file(path, profile)
    problems, sections = [], {}
    unknown = sorted(set(document) - set(SECTIONS))
    if unknown:
        problems.append(
            f"unknown section {', '.join(map(str, unknown))}; accepted: {', '.join([*SECTIONS, PROFILES])}"
        )
    for name, model in SECTIONS.items():
        if name not in document:
            problems.append(f"section {name} is missing")
            continue
        try:
            sections[name] = parse_section(name, document[name], model).model_dump(mode="json")
        except ParameterError as error:
            problems.append(str(error).removeprefix("params.yaml: "))
    if problems:
        raise ParameterError(f"{path}: {' | '.join(problems)}")
    return sections


def gate_policy(params: dict[str, Any], wanted: str | None, place: Path) -> str:
    """The policy that is asked for, else the parameters' own (`gate.default_policy`).

    Raises
    ------
    ParameterError
        There is no policy of that name.
    """
    name = str(wanted or params["gate"]["default_policy"])
    if name not in params["gate"]["policies"]:
        known = ", ".join(params["gate"]["policies"])
        raise ParameterError(f"gate policy {name!r} is not in {place}; accepted: {known}")
    return name
