"""A person's word on a model that passed the gate: found, checked, recorded, and then carried out."""

from __future__ import annotations

import getpass
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from components.deploy_triton.champion import CHAMPION
from components.deploy_triton.mlflow_registry import MlflowRegistry
from components.gate_promotion.approvals import APPROVALS_FILE, ApprovalRecord, add_approval, word_on
from components.gate_promotion.outcome import GateDecision, Word
from components.gate_promotion.run import DECISION_FILE, DecisionFileError, read_decision
from models.errors import NotPromotedError, ParameterError
from pipelines.carry_out import Show, Work, carry_out
from pipelines.deployment_order import DeploymentOrder, deployment_order
from pipelines.local_run import only_run
from pipelines.manifest import Manifest
from pipelines.workspace import Workspace

DEPLOYMENT_PLAN = "deployment.json"
DEPLOYMENT_LOG = "deployment.log"
SHORTEST_VERSION = 6  # digits of a model's version that name it
LONGEST_NAME, LONGEST_REASON = 80, 300


class UnknownRunError(ParameterError):
    """No run and no model of that name."""


class NothingToApproveError(NotPromotedError):
    """The decision does not await a person's word."""


def approve(workspace: Workspace, wanted: str, by: str, show: Show) -> Manifest:
    """Record the approval and deploy the model.

    An approval whose deployment failed is carried out again; it is not recorded twice.

    Parameters
    ----------
    wanted
        Run id, 'latest', or a model's version (at least six digits of it).
    by
        Who approves, as they say.

    Raises
    ------
    UnknownRunError, NothingToApproveError
        No such run; refused, rejected, superseded, or approved and served already.
    RunFolderError
        The run's plan, manifest or outputs are gone or damaged; nothing is recorded.
    ParameterError
        No name, or another run goes on.
    RunFailedError
        The deployment failed; the approval stands.
    """
    name = _said("--by", by, LONGEST_NAME)
    with only_run(workspace):
        folder, decision = find(workspace, wanted)
        record = _word_so_far(workspace, folder, decision)
        order = deployment_order(folder)
        registry = MlflowRegistry(workspace.mlflow_uri)
        version = registry.version_of(CHAMPION)
        champion = None if version is None else registry.tags(version).get("weights_sha256")
        if record is not None and champion == decision.challenger_sha256:
            raise NothingToApproveError(
                f"run {folder.name}: approved by {record.word.by} at {record.word.at} already, and served as "
                f"version {version}"
            )
        if champion != decision.champion_sha256 and not order.without_champion:
            compared = (
                f"champion {decision.champion_sha256[:12]}" if decision.champion_sha256 else "no champion"
            )
            raise NothingToApproveError(
                f"run {folder.name} is superseded: it was compared with {compared}, and the champion is now "
                f"{'none' if version is None else f'version {version}'}; compare anew with: osteogate run"
            )
        if record is None:
            _record(workspace, folder, decision, "approved", name)
        return _carry_out(workspace, folder, order, show)


def reject(workspace: Workspace, wanted: str, by: str, why: str, show: Show) -> Manifest:
    """Record that the model is not to be deployed, and why.

    Raises
    ------
    UnknownRunError, NothingToApproveError, RunFolderError, ParameterError
        As `approve`.
    """
    name, reason = _said("--by", by, LONGEST_NAME), _said("--why", why, LONGEST_REASON)
    with only_run(workspace):
        folder, decision = find(workspace, wanted)
        record = _word_so_far(workspace, folder, decision)
        if record is not None:
            raise NothingToApproveError(
                f"run {folder.name}: approved by {record.word.by} at {record.word.at} already; to serve the version "
                "before it: osteogate serve rollback"
            )
        order = deployment_order(folder)
        _record(workspace, folder, decision, "rejected", name, reason)
        return _carry_out(workspace, folder, order, show)


def find(workspace: Workspace, wanted: str) -> tuple[Path, GateDecision]:
    """The run folder and its decision.

    Raises
    ------
    UnknownRunError
        Neither a run nor a model's version; names what awaits a word.
    DecisionFileError
        The run's decision is damaged.
    """
    folder = workspace.runs / wanted
    if wanted and Path(wanted).name == wanted and folder.is_dir():
        folder = folder.resolve()
        if not (folder / "gate" / DECISION_FILE).is_file():
            raise UnknownRunError(f"run {folder.name} has no decision of the gate; see {folder / 'run.log'}")
        return folder, read_decision(folder / "gate" / DECISION_FILE)
    known = _decisions(workspace)
    if len(wanted) >= SHORTEST_VERSION:
        for run, decision in known:
            if decision.challenger_sha256.startswith(wanted.lower()):
                return run, decision
    awaiting = [run.name for run, decision in known if decision.state == "awaiting approval"]
    raise UnknownRunError(
        f"no run and no model version {wanted!r} in {workspace.runs}; awaiting approval: "
        f"{', '.join(awaiting) or 'none'}"
    )


def _decisions(workspace: Workspace) -> list[tuple[Path, GateDecision]]:
    """Every run with a decision that can be read, newest first."""
    found = []
    for path in sorted(workspace.runs.glob(f"*/gate/{DECISION_FILE}"), reverse=True):
        folder = path.parent.parent
        if folder.is_symlink():  # latest
            continue
        try:
            found.append((folder, read_decision(path)))
        except DecisionFileError:  # of another version of OsteoGate; named by its run it is refused
            continue
    return found


def _word_so_far(workspace: Workspace, folder: Path, decision: GateDecision) -> ApprovalRecord | None:
    """The approval there is; refuses what no person can approve."""
    if decision.state == "refused":
        raise NothingToApproveError(
            f"run {folder.name} was refused by the gate (policy '{decision.policy}'): {decision.reasons[0]}; "
            "nothing to approve"
        )
    record = word_on(workspace.home / APPROVALS_FILE, decision.subject)
    if record is not None and record.word.action == "rejected":
        raise NothingToApproveError(
            f"run {folder.name} was rejected by {record.word.by} at {record.word.at}: {record.word.why}; "
            "nothing to approve"
        )
    if record is None and decision.state == "promoted":
        raise NothingToApproveError(
            f"run {folder.name} was promoted without asking a person (gate.approval {decision.approval}); "
            "nothing to approve"
        )
    return record


def _record(
    workspace: Workspace,
    folder: Path,
    decision: GateDecision,
    action: Literal["approved", "rejected"],
    by: str,
    why: str | None = None,
) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    record = ApprovalRecord(
        subject=decision.subject,
        run_id=folder.name,
        challenger_sha256=decision.challenger_sha256,
        champion_sha256=decision.champion_sha256,
        policy=decision.policy,
        data_version=decision.data_version,
        word=Word(action=action, at=now, by=by, account=_account(), why=why),
    )
    add_approval(workspace.home / APPROVALS_FILE, record)


def _carry_out(workspace: Workspace, folder: Path, order: DeploymentOrder, show: Show) -> Manifest:
    """The gate again, with the word, and what follows from it; the run's manifest and pages say so."""
    path = folder / DEPLOYMENT_PLAN
    path.write_text(json.dumps(order.document, indent=2))
    for step in ("deploy", "drift"):  # of an attempt that failed
        (folder / "steps" / f"{step}.json").unlink(missing_ok=True)
    work = Work(
        folder, path, order.facts, log=DEPLOYMENT_LOG, again=f"osteogate approve {folder.name} --by NAME"
    )
    manifest = carry_out(work, workspace, show)
    if manifest.gate.get("state") == "awaiting approval":
        raise NothingToApproveError(
            f"run {folder.name}: this version of OsteoGate decides otherwise than the one that made the run, so the "
            "word does not hold; make a new run: osteogate run"
        )
    return manifest


def _said(option: str, text: str, longest: int) -> str:
    """What a person typed, on one line."""
    words = " ".join(text.split())
    if not words or len(words) > longest or not words.isprintable():
        raise ParameterError(
            f"{option}: 1 to {longest} printable characters are accepted, found {len(words)}"
        )
    return words


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a name for its user
        return f"uid {os.getuid()}"
