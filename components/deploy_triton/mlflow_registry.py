"""The MLflow registry, as deployment sees it."""

from __future__ import annotations

import shutil
from pathlib import Path

from components.deploy_triton.client import MODEL_NAME


class MlflowRegistry:
    """Versions of the registered model `osteogate` at one tracking URI.

    MLflow is imported when it is first asked: `serve status` and the like need none.
    """

    def __init__(self, uri: str, name: str = MODEL_NAME) -> None:
        self.uri = uri
        self.name = name

    def register(self, folder: Path, tags: dict[str, str]) -> int:
        """Keep the folder as a new version and say its number."""
        from components.train_resnet50.registry import register

        return int(register(self.uri, self.name, folder, tags=tags))

    def version_of(self, alias: str) -> int | None:
        """Version that the alias names, or None."""
        from components.train_resnet50.registry import resolve_alias

        version = resolve_alias(self.uri, self.name, alias)
        return None if version is None else int(version)

    def set_alias(self, alias: str, version: int) -> None:
        """Point the alias at the version."""
        from components.train_resnet50.registry import set_alias

        set_alias(self.uri, self.name, alias, str(version))

    def download(self, version: int, folder: Path) -> Path:
        """Copy a version's folder to `folder`, made anew."""
        from components.train_resnet50.registry import download

        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        return Path(download(self.uri, self.name, str(version), folder))
