"""A model bundle whose graph is arithmetic by hand: served in no time, and known to the last digit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import models.decision
from components.deploy_triton.golden import GoldenSet, write_golden
from models.artefact import ModelCard
from models.crop_store import CropGeometry
from models.network_config import NetworkConfig
from models.train_params import TrainParams
from tests.decision_document import RULES

SLICES, PIXELS = 3, 8


def tiny_graph(slope: float, *, not_a_number: bool = False, output: str = "tbs") -> onnx.ModelProto:
    """BMD = slope * mean HU + mean(acquisition) / 100; TBS = BMD + 1, with the interface of the real model."""
    nodes = [
        helper.make_node("Cast", ["crops"], ["hu"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["hu"], ["mean_hu"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["mean_hu", "slope"], ["scaled"]),
        helper.make_node("ReduceMean", ["acquisition"], ["facts"], axes=[1], keepdims=0),
        helper.make_node("Mul", ["facts", "hundredth"], ["offset"]),
        helper.make_node("Add", ["scaled", "offset"], ["flat"]),
        helper.make_node("Unsqueeze", ["flat", "axis"], ["bmd_g_cm2"]),
        helper.make_node("Add", ["bmd_g_cm2", "one"], [output]),
    ]
    constants = {
        "slope": np.array(np.nan if not_a_number else slope, np.float32),
        "hundredth": np.array(0.01, np.float32),
        "axis": np.array([1], np.int64),
        "one": np.array(1.0, np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info("crops", TensorProto.INT16, ["N", SLICES, PIXELS, PIXELS]),
            helper.make_tensor_value_info("acquisition", TensorProto.FLOAT, ["N", 3]),
        ],
        [
            helper.make_tensor_value_info("bmd_g_cm2", TensorProto.FLOAT, ["N", 1]),
            helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", 1]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def crops_of(count: int, seed: int = 0) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    random = np.random.default_rng(seed)
    crops = random.integers(0, 1500, (count, SLICES, PIXELS, PIXELS)).astype(np.int16)
    return crops, np.tile(np.float32([120.0, 1.0, 0.7]), (count, 1))


def by_hand(crops: NDArray[np.int16], acquisition: NDArray[np.float32], slope: float) -> NDArray[np.float64]:
    """What the graph is defined to give, in float64."""
    return slope * crops.mean(axis=(1, 2, 3), dtype=np.float64) + acquisition.mean(axis=1) / 100


def write_bundle(folder: Path, slope: float, **graph: object) -> Path:
    folder.mkdir(parents=True)
    onnx.save(tiny_graph(slope, **graph), folder / "model.onnx")  # type: ignore[arg-type]
    rules = {
        **RULES,
        "flag_on": ["osteoporosis"],
        "geometry": {**RULES["geometry"], "pixels": PIXELS, "slices": SLICES},
    }
    (folder / "decision.json").write_text(json.dumps(rules))
    shutil.copyfile(Path(models.decision.__file__), folder / "decision.py")
    (folder / "model.json").write_text(
        ModelCard(
            schema_version=1,
            architecture=NetworkConfig(
                arch="resnet18", slices=SLICES, pixels=16, size_mm=64.0, body_anterior_mm=6.0
            ),
            geometry=CropGeometry(
                pixels=PIXELS, size_mm=64.0, slices=SLICES, slice_spacing_mm=2.0, centre_shift_mm=6.0
            ),
            data_version="d",
            data_kind="simulated",
            params=TrainParams().model_dump(mode="json"),
            git_commit=None,
            weights_sha256=f"{slope}",
            best_epoch=0,
            patients={},
            standardisation={},
            torch_version="0",
        ).model_dump_json()
    )
    crops, acquisition = crops_of(4, seed=7)
    bmd = by_hand(crops, acquisition, slope)
    golden = GoldenSet(crops, acquisition, bmd.astype(np.float32), (bmd + 1).astype(np.float32))
    write_golden(golden, folder / "golden.npz")
    return folder
