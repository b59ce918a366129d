"""One retraining run on this machine: starts kfp.local, follows its steps, leaves a manifest whatever happens."""

from __future__ import annotations

import fcntl
import hashlib
import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.step import Site
from models.errors import ParameterError
from pipelines.carry_out import (
    RECORDS_FOLDER,
    RUN_LOG,
    SOURCE_ROOT,
    RunFailedError,
    Show,
    Work,
    carry_out,
)
from pipelines.manifest import Manifest, RunFacts, git_state
from pipelines.params import gate_policy, read_params
from pipelines.run_data import refuse_data
from pipelines.site_key import ensure_site_key, refuse_retired_key
from pipelines.steps import step_specs
from pipelines.workspace import Workspace

__all__ = ["RunFailedError", "RunOptions", "run_pipeline"]

PLAN_FILE = "plan.json"


@dataclass(frozen=True)
class RunOptions:
    """What the command line can say about a run.

    Attributes
    ----------
    params_file
        Usually the checkout's params.yaml.
    policy
        Name of the gate's policy; None takes the one that the parameters name (`gate.default_policy`).
    profile
        Name under `profiles` in the params file; None takes the file's own values.
    data_folder
        A site's own cohort; None for the data set that data.dvc pins.
    accept_changed_data
        Pin a regenerated data set anew when its hash differs.
    resume
        Go on with the latest run when it did not finish.
    without_champion
        Judge without the champion, when it takes crops of another shape, say; a person's decision.
    fresh
        Run every step, whatever is unchanged.
    """

    params_file: Path
    policy: str | None = None
    profile: str | None = None
    data_folder: Path | None = None
    accept_changed_data: bool = False
    resume: bool = False
    without_champion: bool = False
    fresh: bool = False


def local_site(workspace: Workspace, *, own_data: bool) -> Site:
    """Everything on this machine, below the workspace's home; for one's own data the key is named as well."""
    return Site(
        home=workspace.home,
        mlflow_uri=workspace.mlflow_uri,
        model_repository=workspace.model_repository,
        triton_environment=workspace.triton_environment,
        triton_url="",
        prediction_log_url=workspace.prediction_log_url,
        evidently_workspace=workspace.evidently_workspace,
        site_key=workspace.site_key,
        site_key_id=hashlib.sha256(workspace.site_key.read_bytes()).hexdigest()[:8] if own_data else "",
    )


def run_pipeline(workspace: Workspace, options: RunOptions, show: Show) -> Manifest:
    """Run all steps, reusing what is unchanged.

    Parameters
    ----------
    show
        Called a few times a second with the records as they are.

    Raises
    ------
    RunFailedError
        A step failed; the manifest is written all the same.
    ParameterError
        Wrong parameters, an unknown policy, other data than data.dvc pins, or another run going on in this workspace.
    CohortError
        The data folder is no cohort.
    KeyboardInterrupt
        After the steps' processes were stopped and the manifest written.
    """
    params = read_params(options.params_file, options.profile)
    options = replace(options, policy=gate_policy(params, options.policy, options.params_file))
    if not options.resume:
        # before there is a run: what ends here leaves `runs/latest` as it is
        refuse_data(
            workspace.root,
            options.params_file,
            options.profile,
            data_folder=options.data_folder,
            accept_changed=options.accept_changed_data,
        )
    workspace.home.mkdir(parents=True, exist_ok=True)
    if options.data_folder is not None:
        ensure_site_key(workspace.site_key)
        refuse_retired_key(options.data_folder, workspace.site_key)
    with only_run(workspace):
        folder = _run_folder(workspace, resume=options.resume)
        if options.resume:
            _refuse_other_order(folder / PLAN_FILE, options)
        return _run_in(folder, workspace, options, params, show)


def _run_in(
    folder: Path,
    workspace: Workspace,
    options: RunOptions,
    params: dict[str, Any],
    show: Show,
) -> Manifest:
    shutil.rmtree(folder / RECORDS_FOLDER, ignore_errors=True)
    plan = folder / PLAN_FILE
    arguments = {
        "root": str(workspace.root),
        "site": local_site(workspace, own_data=options.data_folder is not None).model_dump_json(),
        "policy": options.policy,
        **step_specs(SOURCE_ROOT, params),
        "accept_changed_data": options.accept_changed_data,
        "data_folder": _data_folder(options),
        "without_champion": options.without_champion,
    }
    plan.write_text(
        json.dumps(
            {
                "pipeline": "retraining",
                "pipeline_root": str(workspace.home / "kfp"),
                "cache": not options.fresh,
                "division": params["pipeline"],
                "profile": options.profile or "",
                "arguments": arguments,
            },
            indent=2,
        )
    )
    commit, dirty = git_state(SOURCE_ROOT)
    started = datetime.now(UTC)
    facts = RunFacts(folder.name, started, commit, dirty, params, options.policy or "", options.profile)
    _point_latest(workspace.runs, folder)
    (folder / RUN_LOG).unlink(missing_ok=True)
    return carry_out(Work(folder, plan, facts, resume=options.resume), workspace, show)


@contextmanager
def only_run(workspace: Workspace) -> Iterator[None]:
    """One run at a time in a workspace."""
    workspace.home.mkdir(parents=True, exist_ok=True)
    with (workspace.home / "run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ParameterError(
                f"another run is going on in {workspace.home}; wait for it or stop it"
            ) from error
        yield


def _run_folder(workspace: Workspace, *, resume: bool) -> Path:
    latest = workspace.runs / "latest"
    if resume:
        manifest = latest / "manifest.json"
        if not manifest.is_file():
            raise ParameterError(f"nothing to resume: {manifest} does not exist; start with: osteogate run")
        if json.loads(manifest.read_text())["state"] == "done":
            raise ParameterError(
                f"the latest run ({latest.resolve().name}) is finished; start with: osteogate run"
            )
        return latest.resolve()
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    folder = workspace.runs / f"{stamp}-{secrets.token_hex(2)}"
    folder.mkdir(parents=True)
    return folder


def _refuse_other_order(plan: Path, options: RunOptions) -> None:
    """A run goes on as it was begun: the same data, profile and policy (parameters may have been mended)."""
    document = json.loads(plan.read_text()) if plan.is_file() else {"arguments": {}}
    begun = {**document["arguments"], "profile": document.get("profile", "")}
    now = {
        "profile": options.profile or "",
        "policy": options.policy,
        "data_folder": _data_folder(options),
    }
    for name, option in (("profile", "--profile"), ("policy", "--policy"), ("data_folder", "--data")):
        if begun.get(name, now[name]) != now[name]:
            said = f"{option} {begun[name]}" if begun[name] else f"no {option}"
            raise ParameterError(f"the run to resume was begun with {said}; say the same, or start a new run")


def _data_folder(options: RunOptions) -> str:
    return str(options.data_folder.resolve()) if options.data_folder else ""


def _point_latest(runs: Path, folder: Path) -> None:
    partial = runs / f".latest-{folder.name}"
    partial.unlink(missing_ok=True)
    partial.symlink_to(folder.name)
    partial.replace(runs / "latest")
