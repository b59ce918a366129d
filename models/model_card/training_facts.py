"""What the model card says of training, from model.json."""

from __future__ import annotations

from typing import NamedTuple

from models.artefact import ModelCard


class TrainingFacts(NamedTuple):
    """How a model came about.

    Attributes
    ----------
    patients
        Split -> patients used.
    """

    architecture: str
    pixels: int
    size_mm: float
    slices: int
    data_version: str
    data_kind: str
    git_commit: str
    weights_sha256: str
    best_epoch: int
    patients: dict[str, int]


def training_facts(card: ModelCard) -> TrainingFacts:
    """From model.json."""
    return TrainingFacts(
        architecture=card.architecture.arch,
        pixels=card.geometry.pixels,
        size_mm=card.geometry.size_mm,
        slices=card.geometry.slices,
        data_version=card.data_version,
        data_kind=card.data_kind,
        git_commit=card.git_commit or "not in a repository",
        weights_sha256=card.weights_sha256,
        best_epoch=card.best_epoch,
        patients=dict(card.patients),
    )
