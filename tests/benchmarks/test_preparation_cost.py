"""The benchmark of preparation goes on where it stopped, says what grows, and judges no time."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from models.errors import InputError
from tests.benchmarks import preparation_cost
from tests.benchmarks.preparation_cost import growth_mb, main, measure, report_of, take_part
from tests.benchmarks.process_memory import Cost

COST = Cost(seconds=10.0, main_mb=300.0, largest_child_mb=250.0, together_mb=800.0, processes=3)


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    for number in range(1, 6):
        (tmp_path / "cohort" / "series" / f"P{number}").mkdir(parents=True)
    rows = "".join(f"P{number},0.9\n" for number in range(1, 6))
    (tmp_path / "cohort" / "dxa.csv").write_text(f"patient_id,bmd\n{rows}")
    (tmp_path / "cohort" / "cohort.json").write_text("{}")
    return tmp_path / "cohort"


def test_a_part_holds_its_patients_and_their_rows(tmp_path: Path, cohort: Path) -> None:
    take_part(cohort, tmp_path / "part", ["P1", "P4"])
    assert sorted(path.name for path in (tmp_path / "part" / "series").iterdir()) == ["P1", "P4"]
    assert (tmp_path / "part" / "dxa.csv").read_text() == "patient_id,bmd\nP1,0.9\nP4,0.9\n"


def test_what_was_interrupted_goes_on(tmp_path: Path, cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def cost(step: object, part: Path) -> Cost:
        if len(asked) == 4:
            raise KeyboardInterrupt
        asked.append((getattr(step, "__name__", ""), part.name))
        return COST

    monkeypatch.setattr(preparation_cost, "cost_of", cost)
    with pytest.raises(KeyboardInterrupt):
        measure(cohort, tmp_path / "work", [2, 9])
    first = list(asked)
    asked.clear()
    costs = measure(cohort, tmp_path / "work", [2, 9])
    names = ["_ingest", "_validate", "_prepare"]
    assert first + asked == [(name, size) for size in ("2", "5") for name in names]
    assert {step: list(found) for step, found in costs.items()} == {
        "ingest": [2, 5], "validate": [2, 5], "prepare": [2, 5],
    }  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == ["measured.json"]
    (cohort / "cohort.json").write_text("another")
    with pytest.raises(InputError, match="figures of another cohort"):
        measure(cohort, tmp_path / "work", [2])


def test_growth_is_the_slope_over_the_sizes_and_named_with_what_follows() -> None:
    found = {size: replace(COST, together_mb=700.0 + 0.5 * size) for size in (50, 100, 402)}
    assert growth_mb(found) == pytest.approx(0.5)
    assert growth_mb({50: COST}) is None
    report = report_of({"ingest": found, "validate": {50: COST}})
    # 402 + (2000 - 901) / 0.5 = 2600 patients
    assert report.notes == [
        "ingest: memory grows by 500 kB a patient (line through 3 sizes); at that, 2000 MB would be reached at "
        "2,600 patients."
    ]
    assert report.rows[0] == ("ingest", 50, "10.0", "0.200", "300", "250", 3, "725", 2000)


@pytest.mark.long
def test_a_simulated_cohort_goes_through_all_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from components.simulate_cohort.params import SimulateParams
    from components.simulate_cohort.simulate import simulate_cohort
    from models.params import load_section

    params = load_section(preparation_cost.ROOT / "params.yaml", "simulate", SimulateParams, "paper")
    simulate_cohort(patients=4, seed=3, out=tmp_path / "cohort", params=params)
    arguments = ["--cohort", tmp_path / "cohort", "--out", tmp_path / "r", "--patients", "2"]
    monkeypatch.setattr("sys.argv", ["preparation_cost", *map(str, arguments)])
    assert main() == 0
    read = json.loads((tmp_path / "r" / "preparation_cost.json").read_text())
    for step in ("ingest", "validate", "prepare"):
        assert list(read["costs"][step]) == ["2", "4"]
        assert all(cost["main_mb"] > 50 for cost in read["costs"][step].values())
    page = (tmp_path / "r" / "preparation_cost.md").read_text()
    assert "not patients" in page
    assert str(tmp_path) not in page


def test_a_folder_that_is_no_cohort_is_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "sys.argv", ["preparation_cost", "--cohort", str(tmp_path / "none"), "--out", str(tmp_path / "r")]
    )
    assert main() == 3
    assert "EMPTY_INPUT" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()
