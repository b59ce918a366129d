"""The shim acts only where torchvision's own import fails for the known reason."""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest

from models import torchvision_import
from models.torchvision_import import torchvision_models


def test_resnet50_can_be_had_here() -> None:
    assert callable(torchvision_models().resnet50)


def test_a_working_import_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("torchvision.models")
    declared: list[object] = []
    monkeypatch.setattr(importlib, "import_module", lambda name: module)
    monkeypatch.setattr(torchvision_import, "_declared", declared)
    assert torchvision_models() is module
    assert declared == []


@pytest.mark.parametrize("error", [RuntimeError("CUDA driver too old"), ImportError("no torchvision")])
def test_other_failures_are_passed_on(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(name: str) -> ModuleType:
        raise error

    monkeypatch.setattr(importlib, "import_module", fail)
    monkeypatch.setattr(torchvision_import, "_declared", [])
    with pytest.raises(type(error), match=str(error)):
        torchvision_models()
