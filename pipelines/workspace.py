"""Where things are kept: the repository root, and the git-ignored runtime home beside it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from models.errors import ParameterError

ROOT_MARKERS = ("params.yaml", "pyproject.toml")


@dataclass(frozen=True)
class Workspace:
    """Paths of one checkout.

    Attributes
    ----------
    root
        The checkout (holds params.yaml and data.dvc).
    home
        Runtime state: servers, logs, MLflow, model repository, prediction log, keys.
    """

    root: Path
    home: Path

    @classmethod
    def find(cls) -> Workspace:
        """The workspace named by `OSTEOGATE_ROOT`, or the first parent of the working directory that is one.

        The runtime home is `.osteogate` inside the root unless `OSTEOGATE_HOME` names another folder.

        Raises
        ------
        ParameterError
            When neither names a checkout.
        """
        named = os.environ.get("OSTEOGATE_ROOT")
        here = Path(named).resolve() if named else Path.cwd()
        candidates = [here] if named else [here, *here.parents, Path(__file__).resolve().parent.parent]
        for folder in candidates:
            if all((folder / marker).is_file() for marker in ROOT_MARKERS):
                home = os.environ.get("OSTEOGATE_HOME")
                return cls(folder, Path(home).resolve() if home else folder / ".osteogate")
        raise ParameterError(f"{here}: no OsteoGate checkout here; run inside one or set OSTEOGATE_ROOT")

    @property
    def params_file(self) -> Path:
        return self.root / "params.yaml"

    @property
    def data(self) -> Path:
        """The data set that data.dvc pins."""
        return self.root / "data"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def mlflow_uri(self) -> str:
        return f"sqlite:///{self.home / 'mlflow.db'}"

    @property
    def model_repository(self) -> Path:
        return self.home / "model_repository"

    @property
    def servers(self) -> Path:
        return self.home / "servers"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def prediction_log_url(self) -> str:
        return f"sqlite:///{self.home / 'prediction_log.db'}"

    @property
    def look_log(self) -> Path:
        """Every look at test patients, of runs, `evaluate` and studies alike."""
        return self.home / "test_set_looks.jsonl"

    @property
    def evidently_workspace(self) -> Path:
        return self.home / "evidently"

    @property
    def cache(self) -> Path:
        return self.home / "cache"

    @property
    def site_key(self) -> Path:
        """The pseudonymisation key; a secret store's file where `OSTEOGATE_SITE_KEY_FILE` names one."""
        named = os.environ.get("OSTEOGATE_SITE_KEY_FILE")
        return Path(named).resolve() if named else self.home / "keys" / "site.key"

    @property
    def triton_environment(self) -> Path:
        return self.root / ".venv-triton"
