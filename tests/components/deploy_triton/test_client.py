"""The client: deadlines, retries, and no answer that is not a finite number."""

from __future__ import annotations

import socket
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from components.deploy_triton.client import CROPS_PER_REQUEST, MAX_CROPS, TritonClient
from components.deploy_triton.errors import (
    RequestTooLargeError,
    TritonAnswerError,
    TritonRefusedError,
    TritonUnavailableError,
)


class FakeServer:
    """Answers `infer` from a list: an exception to raise, or the model version to answer with."""

    def __init__(self, *script: Exception | str, bmd: float = 1.0) -> None:
        self.script = list(script)
        self.bmd = bmd
        self.asked: list[tuple[int, str, float]] = []

    def infer(
        self, model: str, inputs: list[Any], version: str, *, outputs: list[Any], client_timeout: float
    ) -> Any:
        count = inputs[0].shape()[0]
        self.asked.append((count, version, client_timeout))
        step = self.script.pop(0) if self.script else "1"
        if isinstance(step, Exception):
            raise step
        values = np.full((count, 1), self.bmd, np.float32)
        return SimpleNamespace(
            as_numpy=lambda name: values, get_response=lambda: SimpleNamespace(model_version=step)
        )


def client_of(server: FakeServer, **changes: Any) -> TritonClient:
    client = TritonClient("127.0.0.1:1", **{"backoff_s": 0.01, **changes})
    client._client = server
    return client


def failure(status: str) -> InferenceServerException:
    return InferenceServerException(msg=f"it is {status}\nwith details", status=f"StatusCode.{status}")


def inputs(count: int) -> tuple[Any, Any]:
    return np.zeros((count, 3, 8, 8), np.int16), np.ones((count, 3), np.float32)


def test_draining_server_is_asked_again_with_growing_pauses() -> None:
    server = FakeServer(failure("UNAVAILABLE"), failure("NOT_FOUND"), "4")
    started = time.monotonic()
    assert client_of(server, retries=2).predict(*inputs(1)).model_version == "4"
    assert time.monotonic() - started >= 0.03  # 0.01 s, then 0.02 s
    assert len(server.asked) == 3


def test_retries_end_with_one_line_that_says_what_to_do() -> None:
    server = FakeServer(*(failure("UNAVAILABLE") for _ in range(3)))
    with pytest.raises(TritonUnavailableError, match="osteogate serve start") as caught:
        client_of(server, retries=2).predict(*inputs(1))
    assert caught.value.exit_code == 5
    assert "\n" not in str(caught.value)
    assert "with details" not in str(caught.value)


@pytest.mark.parametrize("status", ["DEADLINE_EXCEEDED", "INTERNAL"])
def test_other_failures_are_not_repeated(status: str) -> None:
    server = FakeServer(failure(status))
    with pytest.raises(TritonUnavailableError):
        client_of(server, retries=5).predict(*inputs(1))
    assert len(server.asked) == 1


def test_refused_request_is_no_missing_server() -> None:
    with pytest.raises(TritonRefusedError, match="refused: it is INVALID_ARGUMENT"):
        client_of(FakeServer(failure("INVALID_ARGUMENT"))).predict(*inputs(1))


def test_every_call_has_a_deadline() -> None:
    server = FakeServer()
    client_of(server, timeout_s=3.0).predict(*inputs(2))
    assert server.asked == [(2, "", 3.0)]


def test_long_request_is_cut_and_answered_by_one_version() -> None:
    server = FakeServer("7", "7")
    answer = client_of(server).predict(*inputs(CROPS_PER_REQUEST + 3))
    assert [(count, version) for count, version, _ in server.asked] == [(CROPS_PER_REQUEST, ""), (3, "7")]
    assert answer.bmd_g_cm2.shape == (CROPS_PER_REQUEST + 3,)


def test_too_large_a_request_is_refused_before_it_is_sent() -> None:
    server = FakeServer()
    with pytest.raises(RequestTooLargeError, match=f"at most {MAX_CROPS}"):
        client_of(server).predict(*inputs(MAX_CROPS + 1))
    assert server.asked == []


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_answer_that_is_not_finite_is_no_answer(value: float) -> None:
    with pytest.raises(TritonAnswerError, match="not finite"):
        client_of(FakeServer("2", bmd=value)).predict(*inputs(2))


def test_float_crops_are_a_programming_error() -> None:
    crops, acquisition = inputs(1)
    with pytest.raises(ValueError, match="int16"):
        client_of(FakeServer()).predict(crops.astype(np.float32), acquisition)  # type: ignore[arg-type]


def test_nobody_listening_is_said_within_the_retries() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with (
        TritonClient(f"127.0.0.1:{port}", retries=1, backoff_s=0.05, timeout_s=2.0) as client,
        pytest.raises(TritonUnavailableError, match=str(port)),
    ):
        client.predict(*inputs(1))
