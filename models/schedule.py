"""The learning rate over the steps of a training."""

from __future__ import annotations

import math

import torch
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from models.train_params import TrainParams


def make_schedule(optimizer: torch.optim.Optimizer, params: TrainParams, steps: int) -> LRScheduler:
    """The schedule that `params.schedule` names, for `steps` steps.

    `one_cycle`: rises from 1/25 of the peak over the warm-up share, falls along a cosine to almost 0, the
    optimiser's first momentum counter to it (Smith and Topin 2018). `cosine`: linear warm-up to the peak, then
    a cosine to 0 (Loshchilov and Hutter 2017). `constant`: the peak throughout.
    """
    # a rise of one step or less has no length, and torch would divide by it
    rising = max(params.warmup_share, 1.5 / steps)
    if params.schedule == "one_cycle" and rising < 1:
        return OneCycleLR(optimizer, max_lr=params.learning_rate, total_steps=steps, pct_start=rising)
    if params.schedule in ("constant", "one_cycle"):
        return LambdaLR(optimizer, lambda step: 1.0)
    warmup = max(1, round(params.warmup_share * steps))

    def share(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, steps - warmup))))

    return LambdaLR(optimizer, share)
