"""Whether a site's folder holds the engine's weights, whole. Nothing here, or in the engine, downloads them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from models.errors import InputError

# Data sets of TotalSegmentator's task `total` (version 2 weights) that vertebrae, sacrum and ribs need.
NETWORKS: dict[float, dict[str, str]] = {
    3.0: {"Dataset297_TotalSegmentator_total_3mm_1559subj": "nnUNetTrainer_4000epochs_NoMirroring"},
    1.5: {
        "Dataset292_TotalSegmentator_part2_vertebrae_1532subj": "nnUNetTrainerNoMirroring",
        "Dataset295_TotalSegmentator_part5_ribs_1559subj": "nnUNetTrainerNoMirroring",
        "Dataset298_TotalSegmentator_total_6mm_1559subj": "nnUNetTrainer_4000epochs_NoMirroring",
    },
}
FILES = ("plans.json", "dataset.json", "fold_0/checkpoint_final.pth")


class EngineWeightsError(InputError):
    """The folder of weights is missing or incomplete."""


def require_weights(folder: Path, resolution_mm: float) -> None:
    """Refuse a folder that lacks a file the engine will need.

    Raises
    ------
    EngineWeightsError
        One line naming what is missing and what is needed.
    """
    if not folder.is_dir():
        raise EngineWeightsError(f"segment.weights: {folder} is no folder; {_needed(resolution_mm)}")
    for network, trainer in NETWORKS[resolution_mm].items():
        place = folder / network / f"{trainer}__nnUNetPlans__3d_fullres"
        for name in FILES:
            path = place / name
            if not path.is_file() or path.stat().st_size == 0:
                raise EngineWeightsError(
                    f"segment.weights: {path.relative_to(folder)} is missing or empty in {folder}; "
                    f"{_needed(resolution_mm)}"
                )
            if not _readable(path):
                raise EngineWeightsError(
                    f"segment.weights: {path.relative_to(folder)} in {folder} is damaged (no "
                    f"{'JSON' if path.suffix == '.json' else 'checkpoint of PyTorch'}); {_needed(resolution_mm)}"
                )


def _readable(path: Path) -> bool:
    """Whether a file is of the kind that its name says, as far as can be told without PyTorch."""
    if path.suffix != ".json":
        return zipfile.is_zipfile(path)  # finds the directory at the end: a download that broke off has none
    try:
        return isinstance(json.loads(path.read_bytes()), dict)
    except (ValueError, OSError):
        return False


def _needed(resolution_mm: float) -> str:
    names = ", ".join(NETWORKS[resolution_mm])
    return f"put TotalSegmentator's weights there ({names}); they are never downloaded"
