"""Ingest, prepare and the merging of shards hold a patient at a time: three times the cohort, hardly more.

Peaks of what Python and NumPy allocate, in this process (one worker). A patient of these has 60 slices of 80 x 80: a
volume of 768 kB as int16, four crops of 55 kB, 60 headers.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from components.ingest_dicom.merge_shards import merge_intakes
from components.ingest_dicom.shards import Shard
from components.prepare_vertebrae import contact_sheet
from components.prepare_vertebrae.merge_shards import merge_shards
from components.prepare_vertebrae.params import PrepareParams
from models.params import load_section
from tests.benchmarks.process_memory import cost_of
from tests.command_line import ROOT
from tests.faults.small_batch import Batch, make_batch

FEW, MANY = 3, 9
HEADER_KB, ROWS_KB = 2.0, 70  # bounds of what a step keeps: of a header; of a patient's rows
SHARDS = [Shard(number, 2) for number in range(2)]
VOLUME_KB, CROPS_KB = 60 * 80 * 80 * 2 / 1e3, 4 * 3 * 96 * 96 * 2 / 1e3
# the smallest CT that is accepted: validation reads tables, so its cohorts need no images
TINY_CT = {
    "slices": 16, "rows": 16, "columns": 16, "pixel_spacing_mm": (3.0, 3.0), "spacing_mm": 5.0,
    "origin_mm": (-24, -24, -290),
}  # fmt: skip


def peak_kb(work: Callable[[], object]) -> float:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / 1e3
    finally:
        tracemalloc.stop()


def shards_of(batch: Batch, number: int) -> Path:
    return batch.out.with_name(f"{batch.out.name}-shard-{number}")


def peaks(batch: Batch) -> dict[str, float]:
    """Peak of every step over a cohort; the quick ones have run before, so that what is loaded once does not count."""
    steps: dict[str, Callable[[], object]] = {
        "ingest": batch.ingest, "prepare": batch.prepare,
        "merge intake": lambda: merge_intakes(
            [shards_of(batch, one.number) / "intake" for one in SHARDS],
            [shards_of(batch, one.number) / "places" for one in SHARDS],
            batch.out / "merged", batch.out / "merged",
        ),
        "merge crops": lambda: merge_shards(
            [shards_of(batch, one.number) / "prepared" for one in SHARDS], batch.out / "merged-crops",
            warned(),
        ),
    }  # fmt: skip
    found = {}
    for name, step in steps.items():
        if name == "prepare":
            batch.validate()
        elif name != "ingest":
            step()
        found[name] = peak_kb(step)
        if name == "prepare":  # what the merges need
            for one in SHARDS:
                part = Batch(batch.data, shards_of(batch, one.number))
                part.ingest(shard=one)
                batch.prepare(shard=one, out=part.out / "prepared")
    return found


def warned() -> PrepareParams:
    own = load_section(ROOT / "params.yaml", "prepare", PrepareParams)
    return own.model_copy(update={"split": own.split.model_copy(update={"absent_vendor": "warn"})})


@pytest.mark.long
@pytest.mark.timeout(900)
def test_memory_does_not_grow_with_the_cohort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # a contact sheet keeps slices of 180 series and no more; here its end comes before that of the smaller cohort
    monkeypatch.setattr(contact_sheet, "SERIES_MAX", 2)
    found = {}
    for count in (MANY, FEW):  # what the first loads once counts against it
        batch = Batch(tmp_path / f"data-{count}", tmp_path / f"out-{count}")
        make_batch(batch.data, [f"P{number:03d}" for number in range(count)])
        found[count] = peaks(batch)
    growth = {name: (found[MANY][name] - found[FEW][name]) / (MANY - FEW) for name in found[FEW]}
    assert growth["ingest"] < 60 * HEADER_KB < VOLUME_KB / 4, found
    for name in ("prepare", "merge intake", "merge crops"):
        assert growth[name] < ROWS_KB < CROPS_KB / 3, (name, found)


@pytest.mark.long
def test_validation_holds_tables_and_no_images(tmp_path: Path) -> None:
    """Peaks of a process of its own: Great Expectations' results grow by some 60 kB a patient."""
    found = {}
    for count in (30, 120):
        batch = Batch(tmp_path / f"data-{count}", tmp_path / f"out-{count}")
        make_batch(batch.data, [f"P{number:03d}" for number in range(count)], **TINY_CT)
        batch.ingest()
        found[count] = cost_of(batch.validate).main_mb
        assert len(pd.read_parquet(batch.out / "report" / "accepted.parquet")) == count
    assert (found[120] - found[30]) * 1e3 / 90 < 150, found
