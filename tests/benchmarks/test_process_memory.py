"""A step's memory is its own, with that of what it starts apart."""

from __future__ import annotations

import subprocess
import sys

import pytest

from models.errors import InputError, OsteoGateError
from tests.benchmarks.process_memory import cost_of


def hold(megabytes: int) -> None:
    bytearray(b"1") * (megabytes * 1_000_000)


def hold_in_a_child(megabytes: int) -> None:
    said = f"import time; held = bytearray(b'1') * {megabytes} * 1000000; time.sleep(1)"
    subprocess.run([sys.executable, "-c", said], check=True)


def refuse_all() -> None:
    raise InputError("nothing to read")


def die() -> None:
    raise SystemExit(7)


def test_a_steps_peak_is_its_own() -> None:
    much, little = cost_of(hold, 300), cost_of(hold, 1)
    assert 270 < much.main_mb - little.main_mb < 330
    assert much.seconds > 0
    assert (much.processes, much.largest_child_mb) == (1, 0)


def test_a_childs_memory_counts_apart_and_together() -> None:
    cost = cost_of(hold_in_a_child, 200)
    assert cost.processes == 2
    assert 200 < cost.largest_child_mb < 240
    assert cost.largest_child_mb < cost.together_mb <= cost.main_mb + cost.largest_child_mb


def test_a_step_that_fails_is_an_error_with_its_words(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(OsteoGateError, match="refuse_all: nothing to read"):
        cost_of(refuse_all)
    with pytest.raises(OsteoGateError, match="die: ended with 7"):
        cost_of(die)
    assert capfd.readouterr().err == ""
