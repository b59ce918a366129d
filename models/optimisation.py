"""What a step of training moves: the weights, their running average and the learning rate."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.averaging import AveragedWeights
from models.device import autocast
from models.network import BoneNet
from models.processes import Processes
from models.schedule import make_schedule
from models.train_params import TrainParams


class Optimisation:
    """AdamW on a schedule, with averaged weights.

    Parameters
    ----------
    network
        Standardised, and on `device` already.
    steps
        Of the whole training, for the schedule.
    processes
        Those that share each batch; the main one alone averages weights.
    """

    def __init__(
        self, network: BoneNet, params: TrainParams, steps: int, device: torch.device, processes: Processes
    ) -> None:
        self.network, self.params, self.device, self.processes = network, params, device, processes
        for module in network.modules():
            if (
                isinstance(module, nn.BatchNorm2d) and params.micro_batches > 1
            ):  # by step, however many micro-batches pass in it
                module.momentum = 1 - (1 - params.bn_momentum) ** (1 / params.micro_batches)
        self.averaged = AveragedWeights(network, params.ema_decay)
        self.parallel = processes.parallel(_Standardised(network))
        self.optimizer = torch.optim.AdamW(
            _decayed_apart(network, params.weight_decay), params.learning_rate, fused=True
        )
        self.schedule = make_schedule(self.optimizer, params, steps)
        self.weights = torch.tensor([params.bmd_weight, params.tbs_weight], device=device)

    def step(
        self, crops: Tensor, acquisition: Tensor, labels: Tensor, share: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """One step on what is on the device already: its loss, and the gradient's norm before clipping.

        The gradient is summed over micro-batches: crops part, part + micro_batches, ... are one.

        Parameters
        ----------
        share
            Weight of this process's loss among those that share the batch.
        """
        self.optimizer.zero_grad(set_to_none=True)
        true, total = self.standardised(labels), torch.zeros((), device=self.device)
        for part in range(self.params.micro_batches):
            own = slice(part, None, self.params.micro_batches)
            with self.processes.gradients_kept_back(self.parallel, part + 1 < self.params.micro_batches):
                with autocast(self.device, self.params.precision):
                    outputs = self.parallel(crops[own], acquisition[own])
                loss = self.loss(outputs.float(), true[own]) * (len(true[own]) / len(true))
                (loss * share).backward()
            total += loss.detach()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.params.clip_norm)
        self.optimizer.step()
        self.schedule.step()
        if self.processes.main:
            self.averaged.update()
        return total, norm.detach()

    def loss(self, predicted: Tensor, true: Tensor) -> Tensor:
        """Smooth L1 of standardised values (N, 2), BMD and TBS weighted, mean over crops."""
        errors = F.smooth_l1_loss(predicted, true, reduction="none")
        return (errors * self.weights).sum(1).mean()

    def standardised(self, labels: Tensor) -> Tensor:
        """Labels in standard deviations from their mean, on the device."""
        return (labels.to(self.device) - self.network.label_mean) / self.network.label_std


class _Standardised(nn.Module):
    """What is optimised: crops and acquisition to outputs in standard deviations of the labels."""

    def __init__(self, network: BoneNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, crops: Tensor, acquisition: Tensor) -> Tensor:
        return self.network.standardised(crops, acquisition)


def _decayed_apart(network: BoneNet, weight_decay: float) -> list[dict[str, object]]:
    """Weights of convolutions and the deep head decay; biases, normalisations and the linear path do not."""
    decayed: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        (decayed if parameter.ndim > 1 and not name.startswith("shallow") else others).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
