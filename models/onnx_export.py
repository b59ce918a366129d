"""Export of a model folder to one ONNX file, and the check that it computes the same."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch

from models.artefact import load_model
from models.crop_store import CropStore
from models.dataset import CropDataset
from models.errors import InputError, OsteoGateError

INPUTS: tuple[str, ...] = ("crops", "acquisition")
OUTPUTS: tuple[str, ...] = ("bmd_g_cm2", "tbs")
OPSET = 18


class OnnxExportError(OsteoGateError):
    """The graph could not be exported or written."""


class OnnxFileError(InputError):
    """An ONNX file cannot be loaded or is not one of ours."""


@dataclass(frozen=True)
class ParityReport:
    """Largest absolute differences between torch fp32 and ONNX Runtime on the same crops.

    Attributes
    ----------
    crops
        How many were compared.
    batch_sizes
        In which they were given to ONNX Runtime.
    """

    crops: int
    batch_sizes: tuple[int, ...]
    bmd_max_abs_g_cm2: float
    tbs_max_abs: float

    def within(self, *, bmd_g_cm2: float, tbs: float) -> bool:
        """Whether both differences are at most these; a NaN never is."""
        return self.bmd_max_abs_g_cm2 <= bmd_g_cm2 and self.tbs_max_abs <= tbs


def export_onnx(model_folder: Path, out_file: Path) -> Path:
    """Write the whole network, weights embedded, as one ONNX file with a dynamic batch axis.

    Inputs `crops` int16 (N, C, H, W) HU and `acquisition` float32 (N, 3); outputs `bmd_g_cm2` and `tbs`
    float32 (N, 1). The file's metadata carry `weights_sha256`, `data_version` and `data_kind`.

    Raises
    ------
    ModelArtefactError
        The model folder cannot be loaded.
    OnnxExportError
        Export, the ONNX checker or writing failed; an older `out_file` is untouched.
    """
    model = load_model(model_folder)
    geometry = model.card.geometry
    example = (
        torch.zeros((2, geometry.slices, geometry.pixels, geometry.pixels), dtype=torch.int16),
        torch.tensor([[120.0, 1.0, 0.7]] * 2),
    )
    partial = out_file.with_name(f".{out_file.name}.partial")
    quiet = logging.getLogger("torch.onnx")
    level = quiet.level
    quiet.setLevel(logging.ERROR)
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            batch = torch.export.Dim("batch", min=1, max=4096)
            program = torch.onnx.export(
                model.network,
                example,
                dynamo=True,
                opset_version=OPSET,
                input_names=list(INPUTS),
                output_names=list(OUTPUTS),
                dynamic_shapes=({0: batch}, {0: batch}),
                external_data=False,
                verbose=False,
            )
        if program is None:
            raise OnnxExportError(f"{model_folder}: torch.onnx.export gave no program")
        proto = program.model_proto
        for node in (*proto.graph.node, *(inner for function in proto.functions for inner in function.node)):
            del node.metadata_props[:]  # stack traces with the paths of the machine that exported
            node.doc_string = ""
        for key, value in (
            ("weights_sha256", model.card.weights_sha256),
            ("data_version", model.card.data_version),
            ("data_kind", model.card.data_kind),
        ):
            entry = proto.metadata_props.add()
            entry.key, entry.value = key, value
        onnx.checker.check_model(proto)
        onnx.save_model(proto, partial)
        partial.replace(out_file)
    except (OSError, RuntimeError, onnx.checker.ValidationError) as error:
        reason = " ".join(str(error).split())[:300]
        raise OnnxExportError(f"{out_file}: ONNX not written ({reason})") from error
    finally:
        quiet.setLevel(level)
        partial.unlink(missing_ok=True)
    return out_file


def open_session(onnx_file: Path, *, threads: int = 0) -> ort.InferenceSession:
    """CPU session of an exported file, its interface checked.

    Raises
    ------
    OnnxFileError
        Not loadable, or with other inputs or outputs.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        session = ort.InferenceSession(str(onnx_file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base below it
        reason = " ".join(str(error).split())[:200]
        raise OnnxFileError(f"{onnx_file}: ONNX Runtime cannot load it ({reason})") from error
    names = (
        tuple(item.name for item in session.get_inputs()),
        tuple(item.name for item in session.get_outputs()),
    )
    if names != (INPUTS, OUTPUTS):
        raise OnnxFileError(f"{onnx_file}: inputs and outputs {names}; expected {(INPUTS, OUTPUTS)}")
    return session


def check_parity(
    model_folder: Path,
    onnx_file: Path,
    store: CropStore,
    *,
    splits: tuple[str, ...] = ("validation", "calibration"),
    crops: int = 24,
    batch_sizes: tuple[int, ...] = (1, 4, 7),
) -> ParityReport:
    """Compare both on up to `crops` crops of the store, spread evenly over the splits' rows.

    Raises
    ------
    ModelArtefactError, OnnxFileError
        One of the two cannot be loaded.
    ValueError
        The splits hold no crop.
    """
    network = load_model(model_folder).network
    session = open_session(onnx_file)
    dataset = CropDataset(store, splits)
    if not len(dataset):
        raise ValueError(f"no crops in splits {splits}")
    positions = np.unique(np.linspace(0, len(dataset) - 1, min(crops, len(dataset))).round().astype(np.int64))
    batch = dataset.batch(positions)
    with torch.inference_mode():
        expected = torch.cat(network(batch.crops, batch.acquisition), dim=1).numpy()
    worst = np.zeros(2)
    for size in batch_sizes:
        for start in range(0, len(positions), size):
            part = slice(start, start + size)
            feeds = {"crops": batch.crops[part].numpy(), "acquisition": batch.acquisition[part].numpy()}
            found = np.concatenate(session.run(list(OUTPUTS), feeds), axis=1)
            # np.maximum keeps a NaN, so that a graph that gives none fails the tolerance
            worst = np.maximum(worst, np.abs(found - expected[part]).max(axis=0))
    return ParityReport(len(positions), tuple(batch_sizes), float(worst[0]), float(worst[1]))
