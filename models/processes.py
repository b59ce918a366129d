"""The processes of one training: this one alone, or those that torchrun started."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from models.device import choose_device
from models.errors import ParameterError

T = TypeVar("T")
_PATIENCE = timedelta(minutes=30)  # while the main process validates or writes


@dataclass(frozen=True)
class Processes:
    """This process among its equals.

    Attributes
    ----------
    rank
        From 0; process 0 is the main one, which alone validates, writes, logs and prints.
    count
        Of all processes.
    device
        Where this one computes; None leaves the choice to `params.device`.
    """

    rank: int = 0
    count: int = 1
    device: torch.device | None = None

    @property
    def main(self) -> bool:
        return self.rank == 0

    def parallel(self, module: nn.Module) -> nn.Module:
        """The module with gradients averaged over all processes at every backward pass."""
        if self.count == 1:
            return module
        on_gpu = self.device is not None and self.device.type == "cuda"
        return DistributedDataParallel(module, device_ids=[self.device] if on_gpu else None)

    def gradients_kept_back(self, module: nn.Module, kept: bool) -> AbstractContextManager[None]:
        """While kept, backward passes of a `parallel` module add up here and are not averaged with the others'."""
        return module.no_sync() if kept and isinstance(module, DistributedDataParallel) else nullcontext()

    def told_by_main(self, value: T) -> T:
        """The main process's value, in every process."""
        if self.count == 1:
            return value
        box: list[object] = [value]
        dist.broadcast_object_list(box, src=0, device=self.device)
        return box[0]  # type: ignore[return-value]

    def summed(self, *values: float) -> tuple[float, ...]:
        """Each value summed over all processes."""
        if self.count == 1:
            return values
        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(total)
        return tuple(float(value) for value in total)

    def copied_from_main(self, tensors: dict[str, Tensor]) -> None:
        """Overwrite each tensor with the main process's, in the order of their names."""
        if self.count > 1:
            for name in sorted(tensors):
                dense = tensors[name].contiguous()
                dist.broadcast(dense, src=0)
                tensors[name].copy_(dense)


SINGLE = Processes()


@contextmanager
def torchrun_processes(device: str = "auto") -> Iterator[Processes]:
    """The processes that torchrun started (NCCL between GPUs, gloo between CPUs); one alone without torchrun.

    Raises
    ------
    ParameterError
        More processes than this machine has GPUs, or CUDA is asked for and there is none.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield SINGLE
        return
    place = choose_device(device)
    if place.type == "cuda":
        number, present = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if number >= present:
            raise ParameterError(
                f"torchrun: process {number + 1} of this machine has no GPU of its own ({present} present); "
                f"accepted: --nproc-per-node up to {present}, or train.device: cpu"
            )
        place = torch.device("cuda", number)
        torch.cuda.set_device(place)
    dist.init_process_group("nccl" if place.type == "cuda" else "gloo", timeout=_PATIENCE)
    yield Processes(dist.get_rank(), dist.get_world_size(), place)
    # not after an error: the others wait in a collective call, and to take leave would wait for them
    dist.destroy_process_group()
