"""The pipeline's steps: folder, the sections of params.yaml each depends on, and their specs for KFP."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.fingerprint import step_fingerprint


@dataclass(frozen=True)
class StepInfo:
    """One step.

    Attributes
    ----------
    name
        As people see it.
    folder
        Under components/.
    task
        KFP's task name.
    sections
        Of params.yaml that the step reads; a change in them runs it again.
    output
        KFP output artifact that becomes `runs/<id>/<name>`; empty when the step only returns values.
    shard_task, merge_task
        KFP's tasks where the step is done in shards.
    """

    name: str
    folder: str
    task: str
    sections: tuple[str, ...]
    output: str = ""
    shard_task: str = ""
    merge_task: str = ""


STEPS: tuple[StepInfo, ...] = (
    StepInfo("data", "simulate_cohort", "obtain-data", ("simulate",)),
    StepInfo("ingest", "ingest_dicom", "ingest-dicom", ("ingest",), "intake", "ingest-shard", "merge-intake"),
    StepInfo("validate", "validate_dicom", "validate-dicom", ("validate", "segment"), "validated"),
    StepInfo("segment", "segment_levels", "segment-levels", ("segment",), "segmented"),
    StepInfo(
        "prepare",
        "prepare_vertebrae",
        "prepare-vertebrae",
        ("prepare",),
        "store",
        "prepare-shard",
        "merge-crops",
    ),
    StepInfo("train", "train_resnet50", "train-resnet50", ("train",), "model"),
    StepInfo("champion", "fetch_champion", "fetch-champion", ()),
    StepInfo("evaluate", "evaluate_model", "evaluate-model", ("evaluate", "scales"), "report"),
    StepInfo("gate", "gate_promotion", "gate-promotion", ("gate",), "decision"),
    StepInfo("deploy", "deploy_triton", "deploy-triton", ("deploy",), "deployment"),
    StepInfo("drift", "detect_drift", "detect-drift", ("simulate", "prepare", "monitor"), "drift"),
)


def step_specs(root: Path, params: dict[str, Any]) -> dict[str, str]:
    """`<step>_spec` pipeline arguments: source fingerprint and parameters as JSON with sorted keys."""
    return {
        f"{step.name}_spec": json.dumps(
            {
                "code": step_fingerprint(root, step.folder),
                "params": {section: params[section] for section in step.sections},
            },
            sort_keys=True,
        )
        for step in STEPS
    }
