"""A step done in shards is one step to people: running, failed by one shard's word, done when merged."""

from __future__ import annotations

import json
from pathlib import Path

from pipelines.step_records import StepRecord, read_records


def record(folder: Path, label: str, state: str, **more: object) -> None:
    document = {"state": state, "seconds": 10.0, "peak_memory_mb": 100, "outputs": {}, "notes": {}, **more}
    (folder / f"{label}.json").write_text(json.dumps(document))


def ingest(folder: Path) -> StepRecord:
    return read_records(folder, folder / "run.log", folder / "cache")["ingest"]


def test_shards_at_work_show_how_far_the_step_is(tmp_path: Path) -> None:
    assert ingest(tmp_path).state == "waiting"
    record(tmp_path, "ingest.0-of-4", "done")
    record(tmp_path, "ingest.1-of-4", "running")
    (tmp_path / "ingest.1-of-4.progress").write_text(json.dumps({"done": 5, "total": 20, "text": ""}))
    found = ingest(tmp_path)
    assert found.state == "running"
    assert found.progress == {"done": 1.25, "total": 4, "text": "1 of 4 shards"}


def test_a_failed_shard_names_itself(tmp_path: Path) -> None:
    record(tmp_path, "ingest.0-of-4", "running")
    record(tmp_path, "ingest.2-of-4", "failed", error="disk full", exit_code=5)
    found = ingest(tmp_path)
    assert (found.state, found.error, found.exit_code) == ("failed", "shard 2-of-4: disk full", 5)


def test_the_merge_ends_the_step_with_the_time_and_memory_of_all(tmp_path: Path) -> None:
    record(tmp_path, "ingest.0-of-2", "done", peak_memory_mb=700)
    record(tmp_path, "ingest.1-of-2", "done")
    record(tmp_path, "ingest", "running")
    assert ingest(tmp_path).state == "running"
    record(
        tmp_path, "ingest", "done", seconds=1.5, outputs={"intake": "/out"}, notes={"counts": {"series": 3}}
    )
    found = ingest(tmp_path)
    assert (found.state, found.seconds, found.peak_memory_mb) == ("done", 21.5, 700)
    assert (found.output, found.notes) == (Path("/out"), {"counts": {"series": 3}})


def test_a_reused_merge_says_what_all_shards_took_and_a_reused_shard_is_no_reused_step(
    tmp_path: Path,
) -> None:
    made, cache = tmp_path / "intake", tmp_path / "cache"
    made.mkdir()
    cache.mkdir()
    document = {"seconds": 1.5, "notes": {}, "shards": {"count": 2, "seconds": 20.0, "peak_memory_mb": 700}}
    (made / "step.json").write_text(json.dumps(document))
    (cache / "abc.json").write_text(json.dumps({"intake": {"uri": str(made)}}))
    (tmp_path / "run.log").write_text("Task ingest-shard cache hit (key=def); skipping execution.\n")
    assert ingest(tmp_path).state == "waiting"
    (tmp_path / "run.log").write_text("Task merge-intake cache hit (key=abc); skipping execution.\n")
    found = ingest(tmp_path)
    assert (found.state, found.seconds_when_made, found.output) == ("reused", 21.5, made)
