"""Results keep the order of the jobs, and no more jobs are begun than may wait."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from time import sleep

import pytest

from components.prepare_vertebrae.in_order import in_order


def test_no_more_is_begun_than_may_wait_for_the_oldest() -> None:
    begun: list[int] = []

    def jobs() -> Iterator[int]:
        for number in range(20):
            begun.append(number)
            yield number

    with ThreadPoolExecutor(3) as pool:
        results = in_order(pool, lambda number: number * number, jobs(), ahead=4)
        for taken, result in enumerate(results):
            assert result == taken * taken
            assert len(begun) <= taken + 1 + 4
    assert len(begun) == 20


def test_a_slow_job_does_not_change_the_order() -> None:
    def slow_first(number: int) -> int:
        sleep(0.1 if number == 0 else 0)
        return number

    with ThreadPoolExecutor(2) as pool:
        assert list(in_order(pool, slow_first, range(6), ahead=2)) == list(range(6))


def test_after_an_error_what_has_not_begun_is_not_done() -> None:
    done: list[int] = []
    failed = Event()

    def fail_first(number: int) -> None:
        if number == 0:
            raise ValueError("the first")
        failed.wait(5)
        done.append(number)

    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(ValueError, match="the first"):
            list(in_order(pool, fail_first, range(9), ahead=6))
        failed.set()
    assert len(done) <= 1  # the one that the only thread had taken up by then
