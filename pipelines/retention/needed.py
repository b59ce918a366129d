"""What must stay whatever its term: of the champion, of the latest run, and of runs that may still go on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipelines.carry_out import RECORDS_FOLDER, RUN_LOG
from pipelines.retention.holdings import KFP_CACHE, Holding
from pipelines.step_records import read_records
from pipelines.steps import STEPS
from pipelines.workspace import Workspace

AWAITING = "awaiting approval"


def needed_paths(workspace: Workspace) -> dict[Path, str]:
    """Resolved path to the reason for which it stays; a holding that is one of them, or holds one, stays.

    An interrupted run that is not the latest cannot be resumed, so nothing is kept for it.

    Raises
    ------
    ServiceUnavailableError
        The registry does not say which model is the champion; then nothing is known to be free to go.
    """
    needed: dict[Path, str] = {}
    intake = workspace.home / "intake"
    version, data_version = _champion(workspace)
    if data_version:
        needed[(intake / data_version).resolve()] = "data of the champion"
    latest = workspace.runs / "latest"
    latest_run = latest.resolve() if latest.exists() else None
    for folder in sorted(workspace.runs.iterdir()) if workspace.runs.is_dir() else []:
        if folder.is_symlink() or not folder.is_dir():
            continue
        manifest = _manifest(folder)
        why = _why(folder, manifest, workspace, latest_run, version)
        if why is None:
            continue
        needed[folder.resolve()] = why
        for path in _outputs(folder, workspace):
            needed[path] = why
        data = _mapping(manifest, "data").get("version")
        if isinstance(data, str) and data:
            needed[(intake / data).resolve()] = f"data of the {why}"
    return needed


def reason_to_stay(holding: Holding, needed: dict[Path, str]) -> str | None:
    """Why a holding must stay; None when nothing needs it."""
    place = holding.path.resolve()
    return next((why for path, why in needed.items() if path == place or place in path.parents), None)


def _champion(workspace: Workspace) -> tuple[int | None, str | None]:
    """The champion's version and the data it was trained on; (None, None) where there is no registry yet."""
    if not Path(workspace.mlflow_uri.removeprefix("sqlite:///")).exists():
        return None, None
    from components.deploy_triton.champion import CHAMPION
    from components.deploy_triton.mlflow_registry import MlflowRegistry  # MLflow: seconds to import

    registry = MlflowRegistry(workspace.mlflow_uri)
    version = registry.version_of(CHAMPION)
    return version, None if version is None else registry.tags(version).get("data_version")


def _why(
    folder: Path,
    manifest: dict[str, Any],
    workspace: Workspace,
    latest: Path | None,
    champion: int | None,
) -> str | None:
    if folder.resolve() == latest:
        return "latest run"
    model = _mapping(manifest, "model")
    deployed = model.get("deployed_by_this_run", True) and model.get("version") is not None
    if champion is not None and deployed and str(model["version"]) == str(champion):
        return "champion's run"
    if _mapping(manifest, "gate").get("state") == AWAITING:
        return "run that awaits approval"
    if manifest.get("state") == "running" and not _of_home(folder, workspace):
        return "run that goes on in another home"  # one of this home would hold the lock
    return None


def _of_home(folder: Path, workspace: Workspace) -> bool:
    plan = _json(folder / "plan.json")
    return plan.get("pipeline_root") == str(workspace.home / "kfp")


def _outputs(folder: Path, workspace: Workspace) -> list[Path]:
    """Outputs by the run's links, and by its records where an interrupted run has made no links."""
    cache = workspace.home / "kfp" / KFP_CACHE
    recorded = [
        item.output for item in read_records(folder / RECORDS_FOLDER, folder / RUN_LOG, cache).values()
    ]
    links = [folder / step.name for step in STEPS if (folder / step.name).is_symlink()]
    return [path.resolve() for path in [*links, *(item for item in recorded if item is not None)]]


def _manifest(folder: Path) -> dict[str, Any]:
    return _json(folder / "manifest.json")


def _mapping(document: dict[str, Any], name: str) -> dict[str, Any]:
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def _json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
