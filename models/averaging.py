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
        # the network's own tensors, collected once: they are changed in place for good
        own = network.state_dict(keep_vars=True)
        self._moving = [(self.shadow[name], own[name]) for name in own if own[name].is_floating_point()]
        self._counting = [(self.shadow[name], own[name]) for name in own if not own[name].is_floating_point()]

    @torch.no_grad()
    def update(self) -> None:
        """Take in the network's weights after a step."""
        self.updates += 1
        share = 1.0 - min(self.decay, (1 + self.updates) / (10 + self.updates))
        averages, values = map(list, zip(*self._moving, strict=True))
        torch._foreach_lerp_(averages, values, share)
        for average, value in self._counting:
            average.copy_(value)

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
