"""One ONNX file that computes what torch computes, at any batch size."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import torch

from models.artefact import load_model, save_model
from models.crop_store import CropStore
from models.onnx_export import (
    OnnxExportError,
    OnnxFileError,
    ParityReport,
    check_parity,
    export_onnx,
    open_session,
)
from models.train_params import TrainParams
from models.training import fit
from tests.crop_store_factory import make_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> CropStore:
    return make_store(tmp_path_factory.mktemp("store") / "crops", patients=10, pixels=24, offsets_mm=(0.0,))


@pytest.fixture(scope="module")
def model(store: CropStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "model"
    trained = fit(store, TrainParams(arch="resnet18", field_of_view_mm=48.0, epochs=1, batch=24, threads=1))
    save_model(trained, folder, git_commit=None)
    return folder


@pytest.fixture(scope="module")
def exported(model: Path) -> Path:
    return export_onnx(model, model.parent / "model.onnx")


def test_torch_and_onnx_runtime_agree_at_batches_of_1_4_and_7(
    model: Path, exported: Path, store: CropStore
) -> None:
    report = check_parity(model, exported, store, splits=("test", "calibration"), crops=9)
    assert report.crops == 9
    assert report.batch_sizes == (1, 4, 7)
    assert report.within(bmd_g_cm2=1e-5, tbs=1e-5)


def test_the_interface_is_the_one_triton_serves(exported: Path) -> None:
    graph = onnx.load(exported).graph
    shape = {
        value.name: (
            value.type.tensor_type.elem_type,
            [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim],
        )
        for value in (*graph.input, *graph.output)
    }
    batch = shape["crops"][1][0]
    assert isinstance(batch, str), "the batch axis is dynamic"
    assert shape["crops"] == (onnx.TensorProto.INT16, [batch, 3, 24, 24])
    assert shape["acquisition"] == (onnx.TensorProto.FLOAT, [batch, 3])
    assert shape["bmd_g_cm2"] == shape["tbs"] == (onnx.TensorProto.FLOAT, [batch, 1])


def test_one_file_with_the_weights_and_their_identity(exported: Path, model: Path) -> None:
    proto = onnx.load(exported, load_external_data=False)
    assert not any(tensor.external_data for tensor in proto.graph.initializer)
    metadata = {entry.key: entry.value for entry in proto.metadata_props}
    assert metadata["weights_sha256"] == load_model(model).card.weights_sha256
    assert metadata["data_kind"] == "simulated"
    assert not list(exported.parent.glob("*.data"))


def test_the_graph_holds_no_path_of_the_machine_it_was_made_on(exported: Path) -> None:
    content = exported.read_bytes()
    assert str(Path(__file__).resolve().parents[2]).encode() not in content


def test_a_difference_that_is_no_number_is_no_parity() -> None:
    report = ParityReport(1, (1,), float("nan"), 0.0)
    assert not report.within(bmd_g_cm2=1.0, tbs=1.0)


def test_parity_sees_a_graph_of_other_weights(
    model: Path, exported: Path, store: CropStore, tmp_path: Path
) -> None:
    proto = onnx.load(exported)
    for tensor in proto.graph.initializer:
        if list(tensor.dims) == [2] and tensor.name.endswith("label_mean"):
            values = np.frombuffer(tensor.raw_data, dtype=np.float32) + np.float32(0.25)
            tensor.raw_data = values.tobytes()
            break
    else:
        pytest.fail("label_mean was folded under another name")
    onnx.save(proto, tmp_path / "other.onnx")
    report = check_parity(model, tmp_path / "other.onnx", store)
    assert report.bmd_max_abs_g_cm2 == pytest.approx(0.25, abs=1e-4)


def test_what_is_not_our_graph_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("not a graph")
    with pytest.raises(OnnxFileError, match=r"text\.onnx: ONNX Runtime cannot load it"):
        open_session(tmp_path / "text.onnx")
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", [value], [out])
    other = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(other, tmp_path / "other.onnx")
    with pytest.raises(OnnxFileError, match=r"inputs and outputs"):
        open_session(tmp_path / "other.onnx")


def test_a_failed_write_leaves_the_old_file(
    model: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "model.onnx"
    target.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    proto = onnx.load(exported)  # exporting again would only take time
    del proto.metadata_props[:]
    program = SimpleNamespace(model_proto=proto)
    monkeypatch.setattr(torch.onnx, "export", lambda *_, **__: program)
    monkeypatch.setattr(onnx, "save_model", full)
    with pytest.raises(OnnxExportError, match="No space left"):
        export_onnx(model, target)
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
