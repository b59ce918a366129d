"""A folder ingested in shards and merged is the folder ingested in one go: every file once, counts add up."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from components.ingest_dicom.locations import read_locations
from components.ingest_dicom.merge_shards import ShardsDoNotFitError, merge_intakes
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.run import run
from components.ingest_dicom.series_table import read_others_table, read_series_table
from components.ingest_dicom.shards import Shard
from tests.dicom_factory import make_segmentation, make_series

KEY, OF, PARAMS = b"a key of sixteen bytes or more", 3, IngestParams(workers=1)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Five patients, one with two series, one series without PatientID, a SEG without PatientID, a file of text."""
    folder = tmp_path / "data"
    for number in range(5):
        make_series(
            folder / f"p{number}", series=number + 1, study=number + 1, patient_id=f"P{number}", slices=4
        )
    make_series(folder / "p0b", series=10, study=10, patient_id="P0", slices=3)
    make_series(folder / "nobody", series=11, study=11, patient_id="", slices=2)
    make_segmentation(folder / "seg.dcm", series=3, study=3)
    (folder / "notes.txt").write_text("no DICOM")
    return folder


def ingest(data: Path, out: Path, shard: Shard | None = None) -> dict[str, int]:
    return run(data=data, out=out, key=KEY, params=PARAMS, identity=out / "identity", shard=shard).counts


def test_merged_shards_are_the_whole(data: Path, tmp_path: Path) -> None:
    whole = ingest(data, tmp_path / "whole")
    parts = [tmp_path / str(number) for number in range(OF)]
    counts = [ingest(data, part, Shard(number, OF)) for number, part in enumerate(parts)]
    assert {name: sum(one[name] for one in counts) for name in whole} == whole
    assert sum(one["series_count"] > 0 for one in counts) > 1
    assert all(one["file_count"] == one["series_file_count"] + one["other_count"] for one in counts)
    merged = merge_intakes(
        parts, [part / "identity" for part in parts], tmp_path / "m", tmp_path / "m" / "identity"
    )
    assert merged.counts == whole
    for read, name, key in (
        (read_series_table, "series.parquet", "series"),
        (read_others_table, "others.parquet", "file"),
    ):
        pd.testing.assert_frame_equal(
            read(tmp_path / "m" / name).sort_values(key, ignore_index=True),
            read(tmp_path / "whole" / name).sort_values(key, ignore_index=True),
        )
    assert read_locations(tmp_path / "m" / "identity") == read_locations(tmp_path / "whole" / "identity")
    of_whole, of_merged = (
        json.loads((tmp_path / name / "manifest.json").read_text()) for name in ("whole", "m")
    )
    assert {**of_whole, "seconds": 0} == {**of_merged, "seconds": 0}


def test_both_series_of_a_patient_are_in_one_shard(data: Path, tmp_path: Path) -> None:
    homes: dict[str, set[int]] = {}
    for number in range(OF):
        ingest(data, tmp_path / str(number), Shard(number, OF))
        for patient in read_series_table(tmp_path / str(number) / "series.parquet")["patient"]:
            homes.setdefault(patient, set()).add(number)
    assert len(homes) == 6
    assert all(len(shards) == 1 for shards in homes.values())


def test_a_shard_merged_twice_or_damaged_is_refused(data: Path, tmp_path: Path) -> None:
    parts = [tmp_path / str(number) for number in range(OF)]
    for number, part in enumerate(parts):
        ingest(data, part, Shard(number, OF))
    identities = [part / "identity" for part in parts]
    with pytest.raises(ShardsDoNotFitError, match="in two shards"):
        merge_intakes([*parts, *parts], identities * 2, tmp_path / "m", tmp_path / "m")
    with pytest.raises(ShardsDoNotFitError, match="no shard"):
        merge_intakes([], [], tmp_path / "m", tmp_path / "m")
    path = parts[0] / "manifest.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "series_count": document["series_count"] + 1}))
    with pytest.raises(ShardsDoNotFitError, match="shards count 8 series"):
        merge_intakes(parts, identities, tmp_path / "m", tmp_path / "m")
    shutil.rmtree(parts[0])
    assert not (tmp_path / "m").exists()
