"""Everything a served version consists of, in one folder: graph, decision rules, card, weights, golden set."""

from __future__ import annotations

import shutil
from pathlib import Path

import structlog
import torch

import models.decision
from components.deploy_triton.errors import DeploymentError
from components.deploy_triton.golden import (
    GOLDEN_FILE,
    GoldenSet,
    golden_inputs,
    select_golden,
    write_golden,
)
from components.deploy_triton.params import DeployParams
from models.artefact import LoadedModel, load_model
from models.crop_store import CropStore
from models.decision import read_rules
from models.model_card.render import FILE as MODEL_CARD_FILE
from models.onnx_export import ParityReport, check_parity, export_onnx

log = structlog.get_logger()


class ParityError(DeploymentError):
    """The exported graph does not compute what torch computes."""


class GeometryConflictError(DeploymentError):
    """decision.json was made for crops of another geometry than the model's."""


def make_bundle(
    model: Path, decision: Path, store: CropStore, params: DeployParams, folder: Path
) -> ParityReport:
    """Export the model and gather what belongs to it in `folder`, which is made anew.

    Parameters
    ----------
    model
        Model folder of the training step.
    decision
        decision.json of the evaluation step.

    Raises
    ------
    ParityError
        Graph and torch differ by more than `parity_bmd_g_cm2` or `parity_tbs`.
    GeometryConflictError
        The rules belong to another crop geometry.
    """
    loaded = load_model(model)
    rules, geometry = read_rules(decision).geometry, loaded.card.geometry
    if (rules.pixels, rules.slices, rules.size_mm, rules.slice_spacing_mm) != (
        geometry.pixels,
        geometry.slices,
        geometry.size_mm,
        geometry.slice_spacing_mm,
    ):
        raise GeometryConflictError(f"{decision}: geometry {rules} is not the model's ({geometry})")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(model, folder)
    shutil.copyfile(decision, folder / "decision.json")
    card = decision.with_name(MODEL_CARD_FILE)
    if card.is_file():  # registered with the model, for people
        shutil.copyfile(card, folder / MODEL_CARD_FILE)
    shutil.copyfile(Path(models.decision.__file__), folder / "decision.py")
    export_onnx(model, folder / "model.onnx")
    parity = check_parity(model, folder / "model.onnx", store)
    if not parity.within(bmd_g_cm2=params.parity_bmd_g_cm2, tbs=params.parity_tbs):
        raise ParityError(
            f"{model}: the ONNX graph differs from torch by {parity.bmd_max_abs_g_cm2:.2g} g/cm2 and "
            f"{parity.tbs_max_abs:.2g} TBS; at most {params.parity_bmd_g_cm2:g} and {params.parity_tbs:g} are "
            "accepted; nothing was deployed"
        )
    write_golden(record_golden(loaded, store, params.golden_crops), folder / GOLDEN_FILE)
    log.info("bundle_made", crops_compared=parity.crops, bmd_difference_g_cm2=parity.bmd_max_abs_g_cm2)
    return parity


def record_golden(model: LoadedModel, store: CropStore, count: int) -> GoldenSet:
    """Crops of calibration and test patients with the answers of torch in float32."""
    crops, acquisition = golden_inputs(store, select_golden(store, count))
    with torch.inference_mode():
        bmd, tbs = model.network(torch.from_numpy(crops), torch.from_numpy(acquisition))
    return GoldenSet(crops, acquisition, bmd.numpy().ravel(), tbs.numpy().ravel())
