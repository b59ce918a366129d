"""Exponentially averaged weights: cheap, and steadier than the last step when there are few patients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class AveragedWeights:
    """Running average of a network's parameters and floating-point buffers (batch-normalisation statistics).

    The decay grows from 0 with the number of updates n, min(decay, (1 + n) / (10 + n)), so that the random
    start is soon forgotten.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.shadow = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take in the weights after a step."""
        self.updates += 1
        share = 1.0 - min(self.decay, (1 + self.updates) / (10 + self.updates))
        moving, towards = [], []
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                moving.append(self.shadow[name])
                towards.append(value.detach())
            else:
                self.shadow[name].copy_(value)
        torch._foreach_lerp_(moving, towards, share)

    @contextmanager
    def in_place_of(self, network: nn.Module) -> Iterator[None]:
        """Inside, the network has the averaged weights and evaluates; after, its own and its mode again."""
        own = {name: value.detach().clone() for name, value in network.state_dict().items()}
        training = network.training
        network.load_state_dict(self.shadow)
        network.eval()
        try:
            yield
        finally:
            network.load_state_dict(own)
            network.train(training)

    def copy(self) -> dict[str, Tensor]:
        """A copy of the averaged state."""
        return {name: value.clone() for name, value in self.shadow.items()}

    def load(self, state: dict[str, Tensor], updates: int) -> None:
        """Continue from a copied state."""
        for name, value in state.items():
            self.shadow[name].copy_(value)
        self.updates = updates
