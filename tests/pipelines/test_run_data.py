"""What a run refuses before it begins: said with what to do instead, and `runs/latest` stays where it was."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from components.simulate_cohort.dataset import CohortError, DataChangedError, PinError
from models.errors import ParameterError
from pipelines.local_run import RunOptions, run_pipeline
from pipelines.run_data import refuse_data
from pipelines.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace with an earlier run."""
    (tmp_path / "runs" / "earlier").mkdir(parents=True)
    (tmp_path / "runs" / "latest").symlink_to("earlier")
    for name in ("params.yaml", "data.dvc"):
        shutil.copy(ROOT / name, tmp_path / name)
    return Workspace(tmp_path, tmp_path / "home")


def refused(workspace: Workspace, kind: type[Exception], **options: object) -> str:
    """The message; nothing of a run is left."""
    with pytest.raises(kind) as caught:
        run_pipeline(workspace, RunOptions(workspace.params_file, **options), lambda _: None)
    assert sorted(path.name for path in workspace.runs.iterdir()) == ["earlier", "latest"]
    assert (workspace.runs / "latest").resolve().name == "earlier"
    assert not workspace.home.exists()
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_the_papers_profile_is_told_how_to_run_its_own_cohort(workspace: Workspace) -> None:
    message = refused(workspace, DataChangedError, profile="paper")
    assert "profile paper has a cohort of its own (402 patients, seed 20231437)" in message
    assert "`osteogate study paper --profile paper --out DIR`" in message
    assert "`osteogate simulate --profile paper --out DIR`" in message
    assert "`osteogate run --profile paper --data DIR`" in message
    assert issubclass(DataChangedError, ParameterError)  # exit code 2


@pytest.mark.parametrize("profile", [None, "hospital"])
def test_changed_parameters_are_not_laid_to_a_profile_without_a_cohort(
    workspace: Workspace, profile: str | None
) -> None:
    document = yaml.safe_load(workspace.params_file.read_text())
    document["simulate"]["patients"] += 1
    workspace.params_file.write_text(yaml.safe_dump(document))
    message = refused(workspace, DataChangedError, profile=profile)
    assert message.startswith("params.yaml, simulate: not the values that data.dvc was made with")


def test_no_pin_and_no_cohort_are_said_before_a_run_begins(workspace: Workspace) -> None:
    assert "cohort.json" in refused(workspace, CohortError, data_folder=workspace.root / "none")
    (workspace.root / "data.dvc").unlink()
    assert "--accept-changed-data" in refused(workspace, PinError)


@pytest.mark.parametrize("profile", [None, "demo", "study", "hospital"])
def test_the_pinned_cohort_and_accepted_changes_are_let_through(
    workspace: Workspace, profile: str | None
) -> None:
    refuse_data(workspace.root, workspace.params_file, profile, data_folder=None, accept_changed=False)
    refuse_data(workspace.root, workspace.params_file, "paper", data_folder=None, accept_changed=True)
