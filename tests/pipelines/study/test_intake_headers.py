"""Sound series pass every header rule, planted header defects get their code, and scrubbing changes neither."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.prepare_vertebrae.stream_plan import StreamPlan
from pipelines.streaming import stream_plan
from pipelines.study.intake_headers import declared_series, header_row, header_verdicts
from pipelines.study.intake_run import judged_defects, judged_headers

ROOT = Path(__file__).resolve().parents[3]
SEEDS = (811, 20250101)


def plan(seed: int) -> StreamPlan:
    return stream_plan(ROOT / "params.yaml", None, patients=1, seed=seed)


def test_no_sound_series_is_refused_by_its_header() -> None:
    found = judged_headers(plan(SEEDS[0]), 80)
    assert (found.series, found.refused, found.codes, found.changed_by_scrubbing) == (80, 0, {}, 0)


@pytest.mark.long
@pytest.mark.parametrize("seed", SEEDS)
def test_no_sound_series_of_two_thousand_is_refused_by_its_header(seed: int) -> None:
    found = judged_headers(plan(seed), 2000)
    assert (found.series, found.refused, found.codes, found.changed_by_scrubbing) == (2000, 0, {}, 0)


def test_every_header_defect_gets_its_code_and_keeps_it_when_scrubbed_unless_it_rests_on_words() -> None:
    found = judged_defects(plan(SEEDS[1]), 3)
    assert all(item.caught == item.series == 3 for item in found)
    assert {item.defect for item in found if item.caught_scrubbed < item.series} == {"contrast_by_words"}
    assert {item.defect for item in found if item.rests_on_words} == {"contrast_by_words"}


def test_the_fast_path_declares_what_the_written_series_declares() -> None:
    series = declared_series(4, SEEDS[0], plan(SEEDS[0]).simulate)
    row = header_row(series, plan(SEEDS[0]).params.ingest)
    assert row.slice_count == len(series.files) > 30
    assert row.vendor in {"GE", "Siemens", "Philips", "Canon"}
    assert row.read_codes == ""
    (verdict,) = header_verdicts([row], plan(SEEDS[0]).params.validate)
    assert verdict.codes == frozenset()
