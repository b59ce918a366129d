"""A person's approval through the real command line ends in a served champion: MLflow, Triton, drift, all real."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from components.evaluate_model.run import run as evaluate
from components.gate_promotion.approvals import APPROVALS_FILE, read_approvals
from components.train_resnet50.registry import resolve_alias
from models.artefact import load_model, save_model
from models.bone_reference import ScalesParams
from models.evaluation.report_file import ModelIdentity
from models.evaluation.settings import EvaluateParams
from models.params import load_section
from models.train_params import TrainParams
from models.training import fit
from pipelines.workspace import Workspace
from tests import simulated_predictions as simulated
from tests.components.gate_promotion.conftest import evaluated
from tests.crop_store_factory import make_store
from tests.pipelines.test_approval import ROOT, finished_run, osteogate

pytestmark = [pytest.mark.integration, pytest.mark.long, pytest.mark.timeout(900)]
GEOMETRY = {"pixels": 32, "size_mm": 64.0, "slices": 3, "slice_spacing_mm": 2.0, "centre_shift_mm": 6.0}
SPLITS = (
    "train", "test", "train", "calibration", "train", "validation", "test", "calibration", "test", "train",
)  # fmt: skip


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """A checkout with a small drift study, the installed Triton, and a run that awaits approval."""
    root = tmp_path / "checkout"
    root.mkdir()
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    # as tests.crop_store_factory makes its crops
    params["prepare"]["geometry"] |= GEOMETRY
    params["monitor"] |= {
        "vendors": ["GE"],
        "reference_per_vendor": 10,
        "current_per_vendor": 10,
        "minimum_studies": 10,
    }
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    (root / "pyproject.toml").write_text("")
    if (ROOT / ".venv-triton").is_dir():
        (root / ".venv-triton").symlink_to(ROOT / ".venv-triton")
    place = Workspace(root, root / ".osteogate")
    place.home.mkdir()
    yield place
    osteogate(place, "serve", "stop")


def test_an_approved_model_is_served_and_approved_once(workspace: Workspace, tmp_path: Path) -> None:
    folder = _awaiting(workspace, tmp_path)
    assert resolve_alias(workspace.mlflow_uri, "osteogate", "champion") is None
    done = osteogate(workspace, "approve", "run-1", "--by", "A. Miller", "--json")
    assert done.returncode == 0, done.stderr + (folder / "deployment.log").read_text()[-3000:]
    manifest = json.loads(done.stdout)
    assert manifest["gate"]["state"] == "promoted"
    assert manifest["model"]["version"] == 1
    assert set(manifest["drift"]) == {"GE"}
    assert {step["name"]: step["state"] for step in manifest["steps"]}["deploy"] == "done"
    assert resolve_alias(workspace.mlflow_uri, "osteogate", "champion") == 1
    status: subprocess.CompletedProcess[str] = osteogate(workspace, "serve", "status", "--json")
    assert status.returncode == 0, status.stderr
    again = osteogate(workspace, "approve", "run-1", "--by", "B. Jones")
    assert again.returncode == 4
    assert "approved by A. Miller" in again.stderr
    assert "served as version 1" in again.stderr
    assert len(read_approvals(workspace.home / APPROVALS_FILE)) == 1


def _awaiting(workspace: Workspace, tmp_path: Path) -> Path:
    """A small real network with its crops and answers; the figures that the gate judges are of a good model."""
    store = make_store(tmp_path / "store", patients=70, offsets_mm=(0.0,), split_of_ten=SPLITS)
    params = TrainParams(arch="resnet18", epochs=1, batch=16, precision="fp32", device="cpu", threads=1)
    save_model(fit(store, params), tmp_path / "model", git_commit="0123abc")
    sha256 = load_model(tmp_path / "model").card.weights_sha256
    good = evaluated(simulated.of_quality(0.96, 0.85), 21, 60, 40, "b").report
    report = good.model_copy(update={"model": ModelIdentity(weights_sha256=sha256, version=sha256[:12])})
    folder = finished_run(workspace, report, "run-1")
    evaluate(
        model=tmp_path / "model",
        store=tmp_path / "store",
        out=tmp_path / "judged",
        params=load_section(ROOT / "params.yaml", "evaluate", EvaluateParams),
        scales=load_section(ROOT / "params.yaml", "scales", ScalesParams),
    )
    shutil.copyfile(tmp_path / "judged" / "decision.json", folder / "evaluate" / "decision.json")
    shutil.copytree(tmp_path / "model", folder / "train", dirs_exist_ok=True)
    shutil.copytree(tmp_path / "store", folder / "prepare" / "crops")
    return folder
