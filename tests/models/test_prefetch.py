"""Batches read ahead: same batches, same order; errors come through, and nothing is left running."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from models.dataset import Batch
from models.prefetch import prefetched


def batches(count: int, read: list[int], fail_at: int | None = None) -> Iterator[Batch]:
    for number in range(count):
        if number == fail_at:
            raise OSError(5, "Input/output error", "hu.npy")
        read.append(number)
        yield Batch(torch.zeros(1), torch.zeros(1), torch.zeros(1), np.array([number]))


def reading() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "osteogate-prefetch"]


def test_all_batches_in_order_and_the_thread_ends() -> None:
    read: list[int] = []
    assert [int(batch.rows[0]) for batch in prefetched(batches(9, read))] == list(range(9))
    assert reading() == []


def test_no_more_than_depth_and_one_in_hand_are_read_ahead() -> None:
    read: list[int] = []
    ahead = prefetched(batches(50, read), depth=2)
    next(ahead)
    deadline = threading.Event()
    deadline.wait(0.3)
    assert len(read) <= 1 + 2 + 1  # given, waiting, in the thread's hand
    ahead.close()
    assert reading() == []


def test_what_reading_raised_comes_where_the_batch_would_have() -> None:
    ahead = prefetched(batches(9, [], fail_at=2))
    assert [int(next(ahead).rows[0]) for _ in range(2)] == [0, 1]
    with pytest.raises(OSError, match="Input/output error"):
        next(ahead)
    assert reading() == []
