"""Stands in for Triton's native ONNX Runtime backend where only its Python backend exists (CPU machines).

Lying in `backends/onnxruntime/`, this file makes Triton run every model whose config.pbtxt says
`backend: "onnxruntime"` through ONNX Runtime in a Python process, so that the production configuration loads
unchanged. It runs inside `.venv-triton` and imports nothing of this project.
"""

import json
from pathlib import Path

import onnxruntime
import triton_python_backend_utils as pb_utils
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, RuntimeException

RUN_ERRORS = (Fail, InvalidArgument, RuntimeException)  # ONNX Runtime gives them no common base


class TritonPythonModel:
    """One model version; Triton makes an instance of it in a process of its own."""

    def initialize(self, args: dict) -> None:
        """Open the graph and refuse one whose inputs or outputs are not those of config.pbtxt."""
        config = json.loads(args["model_config"])
        folder = Path(args["model_repository"]) / args["model_version"]
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle versions use no CPU
        self.session = onnxruntime.InferenceSession(
            str(folder / config["default_model_filename"]), options, providers=["CPUExecutionProvider"]
        )
        self.inputs = [item.name for item in self.session.get_inputs()]
        self.outputs = [item.name for item in self.session.get_outputs()]
        for kind, found in (("input", self.inputs), ("output", self.outputs)):
            expected = [item["name"] for item in config[kind]]
            if sorted(found) != sorted(expected):
                raise pb_utils.TritonModelException(f"{kind}s of the graph are {found}; expected {expected}")

    def execute(self, requests: list) -> list:
        """Answer each request by itself: merging is no faster on a CPU, and a bad request stays alone."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: object) -> object:
        feeds = {name: pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in self.inputs}
        try:
            values = self.session.run(self.outputs, feeds)
        except RUN_ERRORS as error:
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(f"ONNX Runtime: {error}"))
        tensors = [pb_utils.Tensor(name, value) for name, value in zip(self.outputs, values, strict=True)]
        return pb_utils.InferenceResponse(output_tensors=tensors)
