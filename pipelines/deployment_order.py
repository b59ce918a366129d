"""What it takes to carry out a person's word on a run: read and checked before the word is recorded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.errors import ParameterError
from pipelines.local_run import PLAN_FILE
from pipelines.manifest import Manifest, RunFacts

TAKEN_OVER = ("site", "policy", "gate_spec", "deploy_spec", "drift_spec")
OUTPUTS = {"model_uri": "train", "store_uri": "prepare", "report_uri": "evaluate"}


class RunFolderError(ParameterError):
    """The run's folder lacks what carrying out a word on it needs, or that is damaged."""


@dataclass(frozen=True)
class DeploymentOrder:
    """A run's own plan as the deployment needs it.

    Attributes
    ----------
    document
        JSON for `pipelines.kfp_local`.
    facts
        Of the run, as its manifest has them.
    without_champion
        Whether the run was judged without the champion.
    """

    document: dict[str, Any]
    facts: RunFacts
    without_champion: bool


def deployment_order(folder: Path) -> DeploymentOrder:
    """Read a run's plan and manifest, and see that its outputs are there.

    Raises
    ------
    RunFolderError
        plan.json or manifest.json is missing or damaged, or an output is gone; names the file or the step.
    """
    try:
        plan = json.loads((folder / PLAN_FILE).read_text(encoding="utf-8"))
        arguments = {name: plan["arguments"][name] for name in TAKEN_OVER}
        pipeline_root, without = plan["pipeline_root"], bool(plan["arguments"].get("without_champion"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(folder, PLAN_FILE, error) from error
    try:
        before = Manifest.model_validate_json((folder / "manifest.json").read_text(encoding="utf-8"))
        commit, dirty = before.git["commit"], before.git["dirty"]
    except (OSError, ValueError, KeyError) as error:
        raise _damaged(folder, "manifest.json", error) from error
    for name, step in OUTPUTS.items():
        place = (folder / step).resolve()
        if not place.is_dir():
            raise RunFolderError(f"run {folder.name}: the output of {step} is gone; make a new run")
        arguments[name] = str(place)
    document = {
        "pipeline": "deployment",
        "pipeline_root": pipeline_root,
        "cache": False,
        "arguments": arguments,
    }
    facts = RunFacts(folder.name, before.started, commit, dirty, before.params, before.policy, before.profile)
    return DeploymentOrder(document, facts, without)


def _damaged(folder: Path, file: str, error: Exception) -> RunFolderError:
    cause = f"missing {error}" if isinstance(error, KeyError) else str(error).splitlines()[0]
    return RunFolderError(
        f"run {folder.name}: {file} cannot be read ({cause}); make a new run: osteogate run"
    )
