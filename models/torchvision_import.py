"""Importing torchvision's networks, also where its compiled operators do not fit the installed torch."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import torch

_MISSING_SCHEMAS: tuple[str, ...] = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

# A torch.library.Library takes its operators back when it is collected, so it is kept as long as the process.
_declared: list[torch.library.Library] = []


def torchvision_models() -> ModuleType:
    """`torchvision.models`, imported.

    torchvision's published wheel is a CUDA build; beside a CPU build of torch its compiled operators do not
    load and the import stops at `operator torchvision::nms does not exist`. Only then are the two missing
    operator schemas declared (without an implementation: `torchvision.ops` stays unusable, and nothing here
    needs it) and the import is tried once more. On a matching installation this does nothing.

    Raises
    ------
    RuntimeError, ImportError
        Whatever else keeps torchvision from being imported.
    """
    try:
        return importlib.import_module("torchvision.models")
    except RuntimeError as error:
        if "operator torchvision::" not in str(error) or _declared:
            raise
        _forget_half_imported()
        library = torch.library.Library("torchvision", "DEF")
        for schema in _MISSING_SCHEMAS:
            library.define(schema)
        _declared.append(library)
        return importlib.import_module("torchvision.models")


def _forget_half_imported() -> None:
    for name in [name for name in sys.modules if name == "torchvision" or name.startswith("torchvision.")]:
        del sys.modules[name]
