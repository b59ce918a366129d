"""Reports have one form and say when the machine was not quiet."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from tests.benchmarks.report import Machine, Report, ratio_cell

QUIET = Machine("A CPU", 2, 25, "Linux", "3.11", others_before_percent=4.0, others_after_percent=9.0)
REPORT = Report("speed", "Speed", "What it is.", ("a", "b"), [("x", 1.5)], {"b": 1.5}, ["A note."])


def test_figures_and_page_are_written(tmp_path: Path) -> None:
    REPORT.write(tmp_path / "new", QUIET)
    read = json.loads((tmp_path / "new" / "speed.json").read_text())
    assert (read["b"], read["machine"]["cpus"]) == (1.5, 2)
    page = (tmp_path / "new" / "speed.md").read_text()
    assert page.splitlines()[0] == "# Speed"
    assert "| a | b |\n| --- | --- |\n| x | 1.5 |\n\nA note.\n" in page


def test_a_machine_that_is_not_quiet_makes_figures_provisional() -> None:
    assert "provisional" not in REPORT.page(QUIET)
    for busy in (replace(QUIET, others_before_percent=11.0), replace(QUIET, others_after_percent=60.0)):
        assert "**The machine was not quiet: these figures are provisional**" in REPORT.page(busy)


def test_a_ratio_is_shown_as_median_and_range() -> None:
    assert ratio_cell([1.0, 4.0, 2.5]) == "2.50 (1.00-4.00)"
