"""A folder ingested in shards and merged is the folder ingested in one go: every file once, counts add up."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from components.ingest_dicom.locations import read_locations
from components.ingest_dicom.merge_shards import ShardsDoNotFitError, merge_intakes
from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.run import run
from components.ingest_dicom.series_table import read_series_table
from components.ingest_dicom.shards import Shard
from models.errors import ParameterError
from tests.dicom_factory import make_segmentation, make_series, series_uid

KEY, OF, PARAMS = b"a key of sixteen bytes or more", 3, IngestParams(workers=1)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Five patients, one with two series, and whatever is hard to divide.

    A series whose files lie in two folders; one without PatientID; one whose files name two patients; copies of a
    series without UIDs in two folders; a byte-identical copy of a file; a SEG without PatientID; a file of text.
    """
    folder = tmp_path / "data"
    for number in range(5):
        make_series(
            folder / f"p{number}", series=number + 1, study=number + 1, patient_id=f"P{number}", slices=4
        )
    (folder / "elsewhere" / "deep").mkdir(parents=True)
    for path in sorted((folder / "p1").iterdir())[::2]:
        path.rename(folder / "elsewhere" / "deep" / path.name)
    make_series(folder / "p0b", series=10, study=10, patient_id="P0", slices=3)
    make_series(folder / "nobody", series=11, study=11, patient_id="", slices=2)
    two = {index: {"PatientID": "P6"} for index in (3, 4)}
    make_series(folder / "two", series=12, study=12, patient_id="P5", slices=5, per_slice=two)
    for name in ("no_uid", "no_uid_again"):
        make_series(folder / name, study=13, patient_id="P7", slices=3, SeriesInstanceUID=None)
    make_segmentation(folder / "seg.dcm", series=3, study=3)
    shutil.copyfile(next((folder / "p2").iterdir()), folder / "copy.dcm")
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
    for name in ("series.parquet", "others.parquet", "identity/locations.json"):
        assert (tmp_path / "m" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    of_whole, of_merged = (
        json.loads((tmp_path / name / "manifest.json").read_text()) for name in ("whole", "m")
    )
    assert {**of_whole, "seconds": 0} == {**of_merged, "seconds": 0}


def test_what_is_hard_to_divide_is_read_once(data: Path, tmp_path: Path) -> None:
    """By hand: 8 patients and nobody, 10 series of 20 + 3 + 2 + 5 + 6 files; 1 SEG, 1 copy, 1 text."""
    counts = ingest(data, tmp_path / "whole")
    assert counts["series_count"] == 10
    assert counts["series_file_count"] == 36
    assert counts["other_count"] == 3
    assert counts["file_count"] == sum(path.is_file() for path in data.rglob("*")) == 39
    files = {
        place.series_instance_uid: {Path(file).parent.as_posix() for file in place.files}
        for place in read_locations(tmp_path / "whole" / "identity").series.values()
    }
    assert files[series_uid(2)] == {"p1", "elsewhere/deep"}
    assert files[series_uid(12)] == {"two"}


def test_both_series_of_a_patient_are_in_one_shard(data: Path, tmp_path: Path) -> None:
    homes: dict[str, set[int]] = {}
    for number in range(OF):
        ingest(data, tmp_path / str(number), Shard(number, OF))
        for patient in read_series_table(tmp_path / str(number) / "series.parquet")["patient"]:
            homes.setdefault(patient, set()).add(number)
    assert len(homes) == 8  # P0 to P5, P7, and "" for nobody
    assert all(len(shards) == 1 for shards in homes.values())


def test_a_shard_merged_twice_or_damaged_is_refused(data: Path, tmp_path: Path) -> None:
    parts = [tmp_path / str(number) for number in range(OF)]
    for number, part in enumerate(parts):
        ingest(data, part, Shard(number, OF))
    identities = [part / "identity" for part in parts]
    with pytest.raises(ShardsDoNotFitError, match="6 intakes to merge are shards 0-of-3, 0-of-3"):
        merge_intakes([*parts, *parts], identities * 2, tmp_path / "m", tmp_path / "m")
    with pytest.raises(ShardsDoNotFitError, match="no shard"):
        merge_intakes([], [], tmp_path / "m", tmp_path / "m")
    with pytest.raises(ShardsDoNotFitError, match="2 intakes to merge are shards 0-of-3, 2-of-3"):
        merge_intakes([parts[0], parts[2]], [identities[0], identities[2]], tmp_path / "m", tmp_path / "m")
    with pytest.raises(ShardsDoNotFitError, match=r"locations\.json of the shards are not of their tables"):
        merge_intakes(parts, [identities[0]] * 3, tmp_path / "m", tmp_path / "m")
    path = parts[1] / "manifest.json"
    kept = path.read_text()
    path.write_text(json.dumps({**json.loads(kept), "shard": {"number": 0, "of": 3}}))
    with pytest.raises(ShardsDoNotFitError, match="are shards 0-of-3, 0-of-3, 2-of-3"):
        merge_intakes(parts, identities, tmp_path / "m", tmp_path / "m")
    path.write_text(kept)
    path = parts[0] / "manifest.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "series_count": document["series_count"] + 1}))
    with pytest.raises(ShardsDoNotFitError, match="shards count 11 series"):
        merge_intakes(parts, identities, tmp_path / "m", tmp_path / "m")
    shutil.rmtree(parts[0])
    assert not (tmp_path / "m").exists()


def test_a_series_in_two_shards_is_refused(data: Path, tmp_path: Path) -> None:
    parts = [tmp_path / str(number) for number in range(OF)]
    for number, part in enumerate(parts):
        ingest(data, part, Shard(number, OF))
    shutil.rmtree(parts[1])
    shutil.copytree(parts[0], parts[1])
    document = json.loads((parts[1] / "manifest.json").read_text())
    (parts[1] / "manifest.json").write_text(json.dumps({**document, "shard": {"number": 1, "of": OF}}))
    with pytest.raises(
        ShardsDoNotFitError, match=f"{document['series_count']} series rows are in two shards"
    ):
        merge_intakes(parts, [part / "identity" for part in parts], tmp_path / "m", tmp_path / "m")


@pytest.mark.parametrize("text", ["", "3", "1-of-", "-1-of-3", "3-of-3", "1 of 3"])
def test_a_text_that_names_no_shard_is_refused(text: str) -> None:
    with pytest.raises(ParameterError, match="accepted"):
        Shard.parse(text)


def test_a_shard_is_named_and_read_back() -> None:
    assert str(Shard(2, 8)) == "2-of-8"
    assert Shard.parse("2-of-8") == Shard(2, 8)
