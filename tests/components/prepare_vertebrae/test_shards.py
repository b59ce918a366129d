"""Prepared in shards and merged is prepared in one go; shards that do not fit together are refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from components.ingest_dicom.shards import Shard
from components.prepare_vertebrae.merge_shards import ShardsDoNotFitError, merge_shards
from components.prepare_vertebrae.params import PrepareParams
from components.prepare_vertebrae.prepared_counts import PrepareSummary
from components.prepare_vertebrae.run import run
from models.errors import OsteoGateError, ParameterError
from tests.components.prepare_vertebrae.test_run import KEY, Cohort, cohort, prepared  # noqa: F401 - fixtures

OF = 3


def in_shard(one: Cohort, out: Path, params: PrepareParams, number: int) -> PrepareSummary:
    return run(
        data=one.data, intake=one.intake, accepted=one.accepted, out=out, key=KEY, params=params,
        data_version="abc", data_kind="simulated", workers=1, shard=Shard(number, OF),
    )  # fmt: skip


@pytest.fixture(scope="module")
def parts(
    cohort: Cohort,  # noqa: F811
    params: PrepareParams,
    tmp_path_factory: pytest.TempPathFactory,
) -> list[Path]:
    folder = tmp_path_factory.mktemp("shards")
    for number in range(OF):
        in_shard(cohort, folder / str(number), params, number)
    return [folder / str(number) for number in range(OF)]


def test_merged_shards_are_the_whole_byte_for_byte(
    parts: list[Path],
    prepared: tuple[Path, PrepareSummary],  # noqa: F811
    params: PrepareParams,
    tmp_path: Path,
) -> None:
    whole, summary = prepared
    merged = merge_shards(parts[::-1], tmp_path / "merged", params)
    assert merged.counts == summary.counts
    assert merged.codes == summary.codes
    assert merged.warnings == summary.warnings
    assert summary.counts["crops"] > 0
    assert summary.counts["series_refused"] > 0
    for name in ("crops/hu.npy", "crops/index.parquet", "crops/store.json", "contact_sheet.png"):
        assert (tmp_path / "merged" / name).read_bytes() == (whole / name).read_bytes(), name
    for name in ("refused.parquet", "statistics.parquet"):
        expected = pd.read_parquet(whole / name).sort_values(
            ["patient", "series"], kind="stable", ignore_index=True
        )
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "merged" / name), expected)
    of_whole, of_merged = (
        json.loads((path / "manifest.json").read_text()) for path in (whole, tmp_path / "merged")
    )
    assert {**of_whole, "seconds": 0} == {**of_merged, "seconds": 0}


def test_every_patient_is_in_one_shard_whoever_else_there_is() -> None:
    patients = [f"{number:016x}" for number in range(2000)]
    held = [[patient for patient in patients if Shard(number, 7).holds(patient)] for number in range(7)]
    assert sorted(patient for one in held for patient in one) == patients
    # 2,000 patients in 7 shards: 286 each, SD 15.7
    assert all(220 < len(one) < 350 for one in held)
    assert [Shard(0, 1).holds(patient) for patient in patients[:5]] == [True] * 5


@pytest.mark.parametrize(("number", "of"), [(-1, 3), (3, 3), (0, 0)])
def test_a_shard_that_is_none_is_refused(number: int, of: int) -> None:
    with pytest.raises(ParameterError, match=f"shard {number} of {of}"):
        Shard(number, of)


def test_a_failed_shard_is_run_again_alone(
    cohort: Cohort,  # noqa: F811
    parts: list[Path],
    params: PrepareParams,
    tmp_path: Path,
) -> None:
    again = [Path(shutil.copytree(part, tmp_path / part.name)) for part in parts]
    full = next(part for part in again if json.loads((part / "manifest.json").read_text())["counts"]["crops"])
    shutil.rmtree(full)
    with pytest.raises(ShardsDoNotFitError, match="not a finished shard"):
        merge_shards(again, tmp_path / "merged", params)
    assert not (tmp_path / "merged").exists()
    in_shard(cohort, full, params, int(full.name))
    merged = merge_shards(again, tmp_path / "merged", params)
    assert merged.counts["series"] == 4


def changed(part: Path, **facts: object) -> None:
    path = part / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **facts}))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda parts: parts[:-1], "2 shards of 3, missing: 2"),
        (
            lambda parts: [*parts, Path(shutil.copytree(parts[0], parts[0].with_name("twice")))],
            "4 shards of 3",
        ),
        (lambda parts: changed(parts[1], data_version="other") or parts, "2 cohorts or plans"),
        (lambda parts: changed(parts[1], shard={"number": 1, "of": 4}) or parts, "2 cohorts or plans"),
        (lambda parts: changed(parts[1], shard=None) or parts, "not a finished shard"),
    ],
)
def test_shards_that_do_not_fit_are_refused(
    wrong: object, said: str, parts: list[Path], params: PrepareParams, tmp_path: Path
) -> None:
    copies = [Path(shutil.copytree(part, tmp_path / part.name)) for part in parts]
    assert callable(wrong)
    with pytest.raises(OsteoGateError, match=said):
        merge_shards(wrong(copies), tmp_path / "merged", params)
    assert not (tmp_path / "merged").exists()


def test_a_patient_in_two_shards_is_refused(parts: list[Path], params: PrepareParams, tmp_path: Path) -> None:
    copies = [Path(shutil.copytree(part, tmp_path / part.name)) for part in parts]
    counts = {part: json.loads((part / "manifest.json").read_text())["counts"] for part in copies}
    full = next(part for part in copies if counts[part]["crops"])
    other = next(part for part in copies if part != full)
    shutil.rmtree(other / "crops")
    shutil.copytree(full / "crops", other / "crops")
    changed(other, counts=counts[full])
    with pytest.raises(ShardsDoNotFitError, match="patients are in two shards"):
        merge_shards(copies, tmp_path / "merged", params)
