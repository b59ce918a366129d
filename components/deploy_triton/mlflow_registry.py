"""The MLflow registry, as deployment sees it."""

from __future__ import annotations

import shutil
from pathlib import Path

from components.train_resnet50 import registry

_SQLITE = "sqlite:///"


class MlflowRegistry:
    """Versions of the registered model `osteogate` at one tracking URI."""

    def __init__(self, uri: str, name: str = registry.MODEL_NAME) -> None:
        self.uri = uri
        self.name = name

    def register(self, folder: Path, tags: dict[str, str]) -> int:
        """Keep the folder as a new version and say its number."""
        return registry.register(folder, self.uri, tags, name=self.name)

    def version_of(self, alias: str) -> int | None:
        """Version that the alias names, or None.

        Where the database is a file that does not exist yet, asking does not make one.
        """
        if self.uri.startswith(_SQLITE) and not Path(self.uri.removeprefix(_SQLITE)).exists():
            return None
        return registry.resolve_alias(self.uri, self.name, alias)

    def set_alias(self, alias: str, version: int) -> None:
        """Point the alias at the version."""
        registry.set_alias(self.uri, self.name, alias, version)

    def tags(self, version: int) -> dict[str, str]:
        """Tags of a version."""
        return registry.version_tags(self.uri, self.name, version)

    def download(self, version: int, folder: Path) -> Path:
        """Copy a version's folder to `folder`, made anew."""
        shutil.rmtree(folder, ignore_errors=True)
        return registry.download(self.uri, self.name, version, folder)
