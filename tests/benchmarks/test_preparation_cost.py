"""The benchmark of preparation measures each step's own peak, and says what it cannot read; no time is judged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.preparation_cost import _apart, main, write_report


def hold(megabytes: int) -> None:
    np.ones(megabytes * 1024 * 128)  # float64: 8 bytes each


def test_a_steps_peak_is_its_own() -> None:
    much, little = _apart(hold, 300), _apart(hold, 1)
    assert 250 < much["main_mb"] - little["main_mb"] < 350
    assert much["seconds"] > 0


def test_the_report_holds_what_was_found(tmp_path: Path) -> None:
    write_report({"patients": 4, "prepare_peak_mb": 321.5}, tmp_path)
    assert json.loads((tmp_path / "preparation_cost.json").read_text())["patients"] == 4
    page = (tmp_path / "preparation_cost.md").read_text()
    assert "not patients" in page
    assert "| prepare peak mb | 321.5 |" in page


def test_a_folder_that_is_no_cohort_is_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "sys.argv", ["preparation_cost", "--cohort", str(tmp_path / "none"), "--out", str(tmp_path / "r")]
    )
    assert main() == 3
    assert "EMPTY_INPUT" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()
