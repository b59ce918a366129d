"""A person's word through the real command line, the real gate and a real registry; serving has its own test."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from components.gate_promotion.approvals import (
    APPROVALS_FILE,
    ApprovalLogError,
    ApprovalRecord,
    add_approval,
    read_approvals,
)
from components.gate_promotion.outcome import Word
from components.gate_promotion.policy import GateParams
from components.gate_promotion.run import read_decision
from components.gate_promotion.run import run as gate
from components.train_resnet50 import registry
from models.errors import ParameterError
from models.evaluation.report_file import EvaluationReport, write_report
from models.params import read_params_file
from pipelines.approval import NothingToApproveError, UnknownRunError, approve, reject
from pipelines.carry_out import RunFailedError
from pipelines.deployment_order import RunFolderError
from pipelines.local_run import local_site
from pipelines.manifest import RunFacts, build_manifest, write_manifest
from pipelines.step_records import read_records
from pipelines.steps import step_specs
from pipelines.workspace import Workspace
from tests import simulated_predictions as simulated
from tests.components.gate_promotion.conftest import evaluated

ROOT = Path(__file__).resolve().parents[2]
GOOD, POOR = simulated.of_quality(0.96, 0.85), simulated.of_quality(0.30, 0.20)


@pytest.fixture(scope="module")
def good() -> EvaluationReport:
    return evaluated(GOOD, 21, 60, 40, "b").report


@pytest.fixture(scope="module")
def poor() -> EvaluationReport:
    return evaluated(POOR, 21, 60, 40, "f").report


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A checkout of its own that asks a person; no Triton is installed in it."""
    root = tmp_path / "checkout"
    root.mkdir()
    shutil.copyfile(ROOT / "params.yaml", root / "params.yaml")
    (root / "pyproject.toml").write_text("")
    place = Workspace(root, root / ".osteogate")
    place.home.mkdir()
    return place


def finished_run(workspace: Workspace, report: EvaluationReport, name: str, *, asks: str = "person") -> Path:
    """A finished run as `osteogate run` leaves it, up to the gate."""
    params = read_params_file(workspace.params_file)
    params["gate"]["approval"] = asks
    folder = workspace.runs / name
    (folder / "steps").mkdir(parents=True)
    for step in ("train", "prepare", "evaluate", "gate"):  # links to what KFP keeps
        output = workspace.home / "kfp" / name / step
        output.mkdir(parents=True)
        (folder / step).symlink_to(output)
    write_report(report, folder / "evaluate" / "report.json")
    gate(
        report=folder / "evaluate" / "report.json",
        champion_report=None,
        policy="demo",
        params=GateParams.model_validate(params["gate"]),
        out=folder / "gate",
        run_id=name,
    )
    arguments = {
        "site": local_site(workspace, own_data=False).model_dump_json(),
        "policy": "demo",
        "without_champion": False,
        **step_specs(ROOT, params),
    }
    plan = {"pipeline_root": str(workspace.home / "kfp"), "cache": True, "arguments": arguments}
    (folder / "plan.json").write_text(json.dumps(plan))
    facts = RunFacts(name, datetime.now(UTC), "0" * 40, False, params, "demo")
    records = read_records(folder / "steps", folder / "run.log", workspace.home / "kfp" / "cache")
    write_manifest(
        build_manifest(folder, state="done", error=None, records=records, workspace=workspace, facts=facts),
        folder,
    )
    return folder


def osteogate(workspace: Workspace, *words: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("osteogate")), *words]
    environment = {**os.environ, "OSTEOGATE_ROOT": str(workspace.root)}
    environment.pop("OSTEOGATE_HOME", None)
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=600)


def _quiet(records: object) -> None:
    pass


@pytest.mark.long
def test_a_rejection_is_recorded_shown_and_final(workspace: Workspace, good: EvaluationReport) -> None:
    folder = finished_run(workspace, good, "run-1")
    assert read_decision(folder / "gate" / "decision.json").state == "awaiting approval"
    done = osteogate(workspace, "reject", "run-1", "--by", "A. Miller", "--why", "too few men", "--json")
    assert done.returncode == 0, done.stderr + (folder / "deployment.log").read_text()
    manifest = json.loads(done.stdout)
    assert manifest["gate"]["state"] == "rejected"
    assert {step["name"]: step["state"] for step in manifest["steps"]}["deploy"] == "not run"
    decision = read_decision(folder / "gate" / "decision.json")
    assert decision.word is not None
    assert (decision.word.by, decision.word.why) == ("A. Miller", "too few men")
    assert "too few men" in (folder / "gate" / "decision.html").read_text()
    (record,) = read_approvals(workspace.home / APPROVALS_FILE)
    assert (record.run_id, record.word.action) == ("run-1", "rejected")
    again = osteogate(workspace, "approve", "run-1", "--by", "B. Jones")
    assert again.returncode == 4
    lines = [line for line in again.stderr.splitlines() if line.startswith("error:")]
    assert len(lines) == 1
    assert "was rejected by A. Miller" in lines[0]
    assert len(read_approvals(workspace.home / APPROVALS_FILE)) == 1


@pytest.mark.long
def test_an_approval_stands_when_deployment_fails_and_is_carried_out_again(
    workspace: Workspace, good: EvaluationReport
) -> None:
    """Nothing to export lies here, so the deploy step itself refuses: it was reached, by approval only."""
    folder = finished_run(workspace, good, "run-1")
    for _ in range(2):
        with pytest.raises(RunFailedError, match="deploy: ") as failure:
            approve(workspace, "run-1", "A. Miller", _quiet)
        assert failure.value.manifest.gate["state"] == "promoted"
    (record,) = read_approvals(workspace.home / APPROVALS_FILE)
    assert (record.word.by, record.word.action) == ("A. Miller", "approved")
    assert record.challenger_sha256 == good.model.weights_sha256
    assert read_decision(folder / "gate" / "decision.json").state == "promoted"
    with pytest.raises(NothingToApproveError, match=r"approved by A\. Miller at .* already"):
        reject(workspace, "run-1", "B. Jones", "no", _quiet)


def test_what_the_gate_refused_no_person_approves(workspace: Workspace, poor: EvaluationReport) -> None:
    finished_run(workspace, poor, "run-1")
    done = osteogate(workspace, "approve", "run-1", "--by", "A. Miller")
    assert done.returncode == 4
    assert "Traceback" not in done.stdout + done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert line.startswith("error: run run-1 was refused by the gate (policy 'demo'): ")
    assert line.endswith("; nothing to approve")
    assert read_approvals(workspace.home / APPROVALS_FILE) == []


def test_what_nobody_was_asked_about_needs_no_approval(workspace: Workspace, good: EvaluationReport) -> None:
    finished_run(workspace, good, "run-1", asks="automatic")
    with pytest.raises(NothingToApproveError, match="promoted without asking a person"):
        approve(workspace, "run-1", "A. Miller", _quiet)


def test_a_superseded_model_and_one_that_serves_already_are_not_approved(
    workspace: Workspace, good: EvaluationReport, tmp_path: Path
) -> None:
    folder = finished_run(workspace, good, "run-1")
    served = _champion(workspace, tmp_path / "other", "a" * 64)
    with pytest.raises(
        NothingToApproveError, match=rf"superseded: .*no champion, and .* now version {served}; "
    ):
        approve(workspace, "run-1", "A. Miller", _quiet)
    assert read_approvals(workspace.home / APPROVALS_FILE) == []
    decision = read_decision(folder / "gate" / "decision.json")
    record = ApprovalRecord(
        subject=decision.subject,
        run_id="run-1",
        challenger_sha256=decision.challenger_sha256,
        champion_sha256=None,
        policy="demo",
        data_version=decision.data_version,
        word=Word(action="approved", at="2026-11-23T08:00:00+00:00", by="A. Miller", account="am"),
    )
    add_approval(workspace.home / APPROVALS_FILE, record)
    version = _champion(workspace, tmp_path / "same", good.model.weights_sha256)
    with pytest.raises(
        NothingToApproveError, match=rf"approved by A\. Miller .* already, and served as version {version}"
    ):
        approve(workspace, "run-1", "B. Jones", _quiet)
    assert read_approvals(workspace.home / APPROVALS_FILE) == [record]


def test_a_run_is_found_by_its_id_or_its_models_version(workspace: Workspace, poor: EvaluationReport) -> None:
    finished_run(workspace, poor, "run-1")
    (workspace.runs / "latest").symlink_to("run-1")
    for wanted in ("run-1", "latest", poor.model.weights_sha256[:12]):
        with pytest.raises(NothingToApproveError, match="run run-1 was refused"):
            approve(workspace, wanted, "A. Miller", _quiet)


@pytest.mark.parametrize("wanted", ["run-2", "", "ffff", "../run-1", "abcdef012345", "."])
def test_an_unknown_run_is_one_line_that_names_what_awaits(
    workspace: Workspace, good: EvaluationReport, wanted: str
) -> None:
    finished_run(workspace, good, "run-1")
    with pytest.raises(UnknownRunError, match="awaiting approval: run-1"):
        approve(workspace, wanted, "A. Miller", _quiet)


def test_a_run_without_a_decision_says_so(workspace: Workspace) -> None:
    (workspace.runs / "run-1").mkdir(parents=True)
    with pytest.raises(UnknownRunError, match="no decision of the gate"):
        approve(workspace, "run-1", "A. Miller", _quiet)


@pytest.mark.parametrize("by", ["", "   ", "x" * 81, "A\x00B"])
def test_nobody_approves_without_a_name(workspace: Workspace, by: str) -> None:
    with pytest.raises(ParameterError, match="--by: 1 to 80 printable characters"):
        approve(workspace, "latest", by, _quiet)


def test_nobody_rejects_without_a_reason(workspace: Workspace, good: EvaluationReport) -> None:
    finished_run(workspace, good, "run-1")
    with pytest.raises(ParameterError, match="--why: 1 to 300"):
        reject(workspace, "run-1", "A. Miller", " ", _quiet)
    assert read_approvals(workspace.home / APPROVALS_FILE) == []


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("train", "the output of train is gone; make a new run"),
        ("manifest.json", r"manifest\.json cannot be read \("),
        ("plan.json", r"plan\.json cannot be read \("),
    ],
)
def test_a_word_that_cannot_be_carried_out_is_not_recorded(
    workspace: Workspace, good: EvaluationReport, broken: str, words: str
) -> None:
    folder = finished_run(workspace, good, "run-1")
    if broken == "train":
        (folder / "train").resolve().rmdir()
    else:
        (folder / broken).write_text('{"arguments": {')
    with pytest.raises(RunFolderError, match=words):
        approve(workspace, "run-1", "A. Miller", _quiet)
    with pytest.raises(RunFolderError, match=words):
        reject(workspace, "run-1", "A. Miller", "too few men", _quiet)
    assert read_approvals(workspace.home / APPROVALS_FILE) == []


def test_a_damaged_log_of_approvals_decides_nothing(workspace: Workspace, good: EvaluationReport) -> None:
    finished_run(workspace, good, "run-1")
    (workspace.home / APPROVALS_FILE).write_text('{"subject": "half')
    with pytest.raises(ApprovalLogError, match=r"approvals\.jsonl: line 1 is no record"):
        approve(workspace, "run-1", "A. Miller", _quiet)


def _champion(workspace: Workspace, folder: Path, weights_sha256: str) -> int:
    """A registered champion; the registry is real, its model's card names these weights."""
    from mlflow import MlflowClient

    folder.mkdir()
    client = MlflowClient(workspace.mlflow_uri)
    if not client.search_registered_models():
        client.create_registered_model(registry.MODEL_NAME)
    version = client.create_model_version(
        registry.MODEL_NAME, source=str(folder), tags={"weights_sha256": weights_sha256}
    )
    registry.set_alias(workspace.mlflow_uri, registry.MODEL_NAME, "champion", version.version)
    return int(version.version)
