"""The reference window survives a round trip and refuses what is not one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitoring.reference import Reference, ReferenceUnreadableError, load_reference, save_reference

MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def saved(month, tmp_path: Path) -> Path:
    path = tmp_path / "drift" / "reference-7.parquet"
    save_reference(path, Reference(month(1, 5), "7", "simulated", MOMENT, "abc"))
    return path


def test_round_trip(month, saved):
    found = load_reference(saved)
    assert (found.model_version, found.data_kind, found.created, found.recipe) == (
        "7",
        "simulated",
        MOMENT,
        "abc",
    )
    pd.testing.assert_frame_equal(found.frame, month(1, 5))
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_missing_damaged_and_foreign_files_each_say_what_they_are(month, saved, tmp_path: Path):
    with pytest.raises(ReferenceUnreadableError, match="no drift reference"):
        load_reference(tmp_path / "none.parquet")
    month(1, 5).to_parquet(tmp_path / "table.parquet")
    with pytest.raises(ReferenceUnreadableError, match="not a drift reference"):
        load_reference(tmp_path / "table.parquet")
    saved.write_bytes(saved.read_bytes()[:1000])
    with pytest.raises(ReferenceUnreadableError, match="not a Parquet file") as caught:
        load_reference(saved)
    assert caught.value.exit_code == 3


def test_another_schema_is_refused(saved):
    table = pq.read_table(saved)
    metadata = {
        key: value.replace(b'"schema_version": 1', b'"schema_version": 9')
        for key, value in table.schema.metadata.items()
    }
    pq.write_table(table.replace_schema_metadata(metadata), saved)
    with pytest.raises(ReferenceUnreadableError, match="schema 9; this version reads 1"):
        load_reference(saved)


def test_a_reference_without_a_monitored_column_is_never_written(month, saved):
    before = saved.read_bytes()
    with pytest.raises(ReferenceUnreadableError, match="noise_hu"):
        save_reference(saved, Reference(month(1, 5).drop(columns="noise_hu"), "7", "simulated", MOMENT))
    assert saved.read_bytes() == before
    table = pq.read_table(saved).drop_columns(["noise_hu"])
    assert isinstance(table, pa.Table)
    pq.write_table(table, saved)
    with pytest.raises(ReferenceUnreadableError, match="noise_hu"):
        load_reference(saved)
