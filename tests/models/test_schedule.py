"""Learning rates over the steps, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from models.schedule import make_schedule
from models.train_params import TrainParams


def rates(name: str, steps: int = 40, warmup_share: float = 0.25) -> list[float]:
    params = TrainParams(schedule=name, learning_rate=0.1, warmup_share=warmup_share)  # type: ignore[arg-type]
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], params.learning_rate)
    schedule = make_schedule(optimizer, params, steps)
    found = []
    for _ in range(steps):
        found.append(float(schedule.get_last_lr()[0]))
        optimizer.step()
        schedule.step()
    return found


def test_cosine_rises_along_a_line_and_falls_along_a_cosine() -> None:
    found = rates("cosine")
    assert found[:10] == pytest.approx([0.1 * (step + 1) / 10 for step in range(10)])
    assert found[10] == pytest.approx(0.1)
    assert found[25] == pytest.approx(0.1 * 0.5 * (1 + math.cos(math.pi * 15 / 30)))
    assert found[39] == pytest.approx(0.1 * 0.5 * (1 + math.cos(math.pi * 29 / 30)))


def test_constant_stays() -> None:
    assert rates("constant") == [0.1] * 40


def test_one_cycle_begins_at_a_25th_peaks_after_the_warm_up_and_ends_at_almost_nothing() -> None:
    found = rates("one_cycle")
    assert found[0] == pytest.approx(0.1 / 25)
    assert max(found) == pytest.approx(0.1)
    assert found.index(max(found)) == 9  # a quarter of 40 steps
    assert found[-1] == pytest.approx(0.1 / 25 / 1e4, rel=1e-3)
