"""Where the network runs, and how: device, memory format and autocast."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

from models.errors import ParameterError


def choose_device(wanted: str) -> torch.device:
    """`auto` takes CUDA when torch sees one, else the CPU.

    Raises
    ------
    ParameterError
        `cuda` is asked for and there is none.
    """
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ParameterError(
            "train.device: cuda is asked for and torch sees no GPU; accepted here: auto, cpu"
        )
    return torch.device(wanted)


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """bf16 autocast, or nothing for fp32."""
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


@contextmanager
def repeatable() -> Iterator[None]:
    """Inside, cuDNN takes no algorithm whose sums differ from run to run, nor tries out which is fastest."""
    cudnn = torch.backends.cudnn
    before = (cudnn.deterministic, cudnn.benchmark)
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = before
