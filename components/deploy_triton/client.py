"""The gRPC client of the model server: deadlines, retries, and no answer that is not a finite number."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import structlog
from numpy.typing import NDArray
from tritonclient import grpc as triton
from tritonclient.utils import InferenceServerException

from components.deploy_triton.errors import (
    RequestTooLargeError,
    TritonAnswerError,
    TritonRefusedError,
    TritonUnavailableError,
)
from models.errors import OsteoGateError

MODEL_NAME = "osteogate"
CROPS_PER_REQUEST = 32  # max_batch_size of config.pbtxt
MAX_CROPS = 512  # in one call of predict; a study has at most a few dozen
OUTPUTS = ("bmd_g_cm2", "tbs")

_RETRIED = ("UNAVAILABLE", "NOT_FOUND")  # draining, restarting, queue full
_CHANNEL_ARGS = [
    ("grpc.max_reconnect_backoff_ms", 500),  # the default waits up to two minutes for a restarted server
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.enable_http_proxy", 0),
]
log = structlog.get_logger()
ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class Prediction:
    """What the served model said.

    Attributes
    ----------
    bmd_g_cm2
        (N,) float32, BMD of each crop.
    tbs
        (N,) float32.
    model_version
        The version that answered, as the registry numbers it.
    """

    bmd_g_cm2: NDArray[np.float32]
    tbs: NDArray[np.float32]
    model_version: str


class TritonClient:
    """Asks the running Triton; there is no in-process fallback.

    Parameters
    ----------
    url
        host:port of the gRPC endpoint.
    model
        Name in the model repository.
    timeout_s
        Deadline of each call; Triton itself sets none.
    retries
        How often a call is repeated while the server is draining, restarting or its queue is full.
    backoff_s
        First pause between repetitions; doubled each time.
    repository
        Model repository on this machine, where `decision_folder` looks; None when the server is elsewhere.
    """

    def __init__(
        self,
        url: str,
        model: str = MODEL_NAME,
        *,
        timeout_s: float = 20.0,
        retries: int = 4,
        backoff_s: float = 0.25,
        repository: Path | None = None,
    ) -> None:
        self.url = url
        self.model = model
        self.timeout_s = timeout_s
        self.retries = retries
        self.backoff_s = backoff_s
        self.repository = repository
        self._client = triton.InferenceServerClient(url, channel_args=_CHANNEL_ARGS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the channel."""
        self._client.close()

    def predict(
        self, crops: NDArray[np.int16], acquisition: NDArray[np.float32], *, version: str = ""
    ) -> Prediction:
        """Estimates for N crops, all by one model version.

        Parameters
        ----------
        crops
            (N, C, H, W) int16 HU, as the crop store holds them.
        acquisition
            (N, 3) float32: kVp, slice thickness mm, pixel spacing mm.
        version
            A version to ask for; "" means the one being served (the highest that is loaded).

        Raises
        ------
        RequestTooLargeError
            More than `MAX_CROPS` crops.
        TritonUnavailableError
            No answer within the deadline and the retries.
        TritonRefusedError
            Triton does not take the request (crops of another geometry than the model's, say).
        TritonAnswerError
            An answer that is not finite or not one value per crop.
        """
        _check_request(crops, acquisition)
        parts: list[Prediction] = []
        for start in range(0, len(crops), CROPS_PER_REQUEST):
            stop = start + CROPS_PER_REQUEST
            pinned = version or (parts[0].model_version if parts else "")
            parts.append(self._infer(crops[start:stop], acquisition[start:stop], pinned))
        return Prediction(
            np.concatenate([part.bmd_g_cm2 for part in parts]),
            np.concatenate([part.tbs for part in parts]),
            parts[0].model_version,
        )

    def model_metadata(self) -> dict[str, Any]:
        """Name, loaded versions, inputs and outputs of the model, as Triton describes them."""
        return self._call(
            lambda: self._client.get_model_metadata(self.model, client_timeout=self.timeout_s, as_json=True)
        )

    def loaded_versions(self) -> list[str]:
        """Versions of the model that Triton says are ready, in ascending order; empty when there are none."""
        index = self._call(
            lambda: self._client.get_model_repository_index(client_timeout=self.timeout_s, as_json=True)
        )
        versions = [
            entry["version"]
            for entry in index.get("models", [])
            if entry["name"] == self.model and entry.get("state") == "READY" and entry.get("version")
        ]
        return sorted(versions, key=int)

    def decision_folder(self, version: str) -> Path:
        """Folder of the version in the model repository: decision.json, decision.py and model.json lie there.

        Raises
        ------
        TritonUnavailableError
            When no repository was named or the version is not in it.
        """
        if self.repository is None:
            raise TritonUnavailableError(
                f"decision rules of {self.model} version {version}: no model repository named; "
                "name the repository that the server reads"
            )
        folder = self.repository / self.model / version
        if not (folder / "decision.json").is_file():
            raise TritonUnavailableError(
                f"{folder}: no decision.json of the version that answered; run `osteogate serve start`"
            )
        return folder

    def load(self) -> None:
        """Have Triton read the model's folder again: new versions appear, removed ones go, others stay."""
        self._call(lambda: self._client.load_model(self.model, client_timeout=60.0), retries=0)

    def unload(self) -> None:
        """Have Triton forget the model (all versions)."""
        self._call(lambda: self._client.unload_model(self.model, client_timeout=60.0), retries=0)

    def _infer(self, crops: NDArray[np.int16], acquisition: NDArray[np.float32], version: str) -> Prediction:
        inputs = [
            triton.InferInput("crops", list(crops.shape), "INT16"),
            triton.InferInput("acquisition", list(acquisition.shape), "FP32"),
        ]
        inputs[0].set_data_from_numpy(np.ascontiguousarray(crops))
        inputs[1].set_data_from_numpy(np.ascontiguousarray(acquisition))
        outputs = [triton.InferRequestedOutput(name) for name in OUTPUTS]
        result = self._call(
            lambda: self._client.infer(
                self.model, inputs, version, outputs=outputs, client_timeout=self.timeout_s
            )
        )
        answered = str(result.get_response().model_version)
        bmd, tbs = (self._column(result.as_numpy(name), name, len(crops), answered) for name in OUTPUTS)
        return Prediction(bmd, tbs, answered)

    def _column(
        self, values: NDArray[np.float32] | None, name: str, count: int, version: str
    ) -> NDArray[np.float32]:
        where = f"Triton at {self.url}, {self.model} version {version}, output {name}"
        if values is None or values.shape != (count, 1):
            found = "nothing" if values is None else f"shape {values.shape}"
            raise TritonAnswerError(f"{where}: found {found}; expected ({count}, 1)")
        if not np.isfinite(values).all():
            bad = int((~np.isfinite(values)).sum())
            raise TritonAnswerError(f"{where}: {bad} of {count} values are not finite; no answer is given")
        return values[:, 0].astype(np.float32)

    def _call(self, request: Callable[[], ResultT], retries: int | None = None) -> ResultT:
        left = self.retries if retries is None else retries
        pause_s = self.backoff_s
        while True:
            try:
                return request()
            except InferenceServerException as error:
                status, reason = _status_and_reason(error)
                if status not in _RETRIED or left <= 0:
                    raise self._error(status, reason) from error
                log.info("triton_retry", url=self.url, status=status, retries_left=left, pause_s=pause_s)
            left -= 1
            time.sleep(pause_s)
            pause_s *= 2

    def _error(self, status: str, reason: str) -> OsteoGateError:
        where = f"Triton at {self.url}, model {self.model}"
        if status in ("INVALID_ARGUMENT", "ALREADY_EXISTS"):
            return TritonRefusedError(f"{where} refused: {reason}")
        if status == "DEADLINE_EXCEEDED":
            reason = f"no answer within {self.timeout_s:g} s"
        return TritonUnavailableError(f"{where}: {status}, {reason}; run `osteogate serve start`")


def _check_request(crops: NDArray[np.int16], acquisition: NDArray[np.float32]) -> None:
    if crops.ndim != 4 or crops.dtype != np.int16 or len(crops) == 0:
        raise ValueError(f"crops {crops.shape} {crops.dtype}; expected (N, C, H, W) int16 with N >= 1")
    if acquisition.shape != (len(crops), 3) or acquisition.dtype != np.float32:
        raise ValueError(
            f"acquisition {acquisition.shape} {acquisition.dtype}; expected ({len(crops)}, 3) float32"
        )
    if len(crops) > MAX_CROPS:
        raise RequestTooLargeError(f"{len(crops)} crops in one request; at most {MAX_CROPS} are sent")


def _status_and_reason(error: InferenceServerException) -> tuple[str, str]:
    lines = str(error.message()).strip().splitlines() or ["no reason given"]
    return str(error.status()).rpartition(".")[2], " ".join(lines[0].split())[:300]
