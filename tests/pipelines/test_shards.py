"""The image half of the pipeline over shards, as KFP runs it: one that fails is run again alone."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import pandas as pd
import pytest
import yaml

from components.ingest_dicom.params import IngestParams
from components.ingest_dicom.pseudonym import SIMULATED_KEY
from components.ingest_dicom.run import run as ingest
from components.prepare_vertebrae.params import PrepareParams
from components.prepare_vertebrae.run import run as prepare
from components.simulate_cohort.dataset import open_site_cohort
from components.simulate_cohort.params import SimulateParams
from components.simulate_cohort.simulate import simulate_cohort
from models.params import load_section
from pipelines.step_records import read_records
from tests.command_line import ROOT, python

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
OF, BLOCKED, KILLED, RETRIES = 3, "1-of-3", "0-of-3", 1
DEFECTS = ("slice_missing", "duplicate_uid", "contrast_by_tag", "file_truncated", "localizer", "not_dicom")


@dataclass(frozen=True)
class Runs:
    """A run in which one shard never got through, and the next, in which another was killed once."""

    data: Path
    home: Path
    first: CompletedProcess[str]
    second: CompletedProcess[str]
    records: Path
    params: dict[str, dict]

    def output(self, task: str, name: str) -> Path:
        """The newest output of a task."""
        return max((self.home / "kfp").glob(f"images-*/{task}/{name}"), key=lambda path: path.stat().st_mtime)


def make_cohort(out: Path) -> None:
    """Ten patients, six with a planted defect, and one of the sound series in two folders."""
    own = load_section(ROOT / "params.yaml", "simulate", SimulateParams)
    small = own.model_copy(
        update={"matrix": 160, "pixel_spacing_mm": (0.8, 0.95), "defects": dict.fromkeys(DEFECTS, 0.1)}
    )
    simulate_cohort(patients=10, seed=7, out=out, params=small, workers=1)
    broken = set(pd.read_csv(out / "truth" / "defects.csv", dtype=str)["patient_id"])
    folder = next(path for path in sorted((out / "series").iterdir()) if path.name not in broken)
    (out / "series" / "elsewhere").mkdir()
    for path in sorted((folder / "ct").glob("*.dcm"))[::2]:
        path.rename(out / "series" / "elsewhere" / path.name)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    root = tmp_path_factory.mktemp("shards")
    data, home, records = root / "data", root / "home", root / "records"
    make_cohort(data)
    version = open_site_cohort(data).version
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["prepare"]["split"]["absent_vendor"] = "warn"  # ten patients
    specs = {
        f"{step}_spec": json.dumps({"code": "c", "params": {name: params[name] for name in sections}})
        for step, sections in {
            "data": ["simulate"], "ingest": ["ingest"], "validate": ["validate", "segment"],
            "segment": ["segment"], "prepare": ["prepare"],
        }.items()
    }  # fmt: skip
    places = {
        "home": str(home), "mlflow_uri": "", "model_repository": "", "triton_environment": "",
        "triton_url": "", "prediction_log_url": "", "evidently_workspace": "", "site_key": "",
    }  # fmt: skip
    plan = {
        "division": {
            "shards": OF,
            "shards_here": 1,
            "shard_retries": RETRIES,
            "shard_retry_wait_s": 1,
            "shard_cpus": 2,
            "shard_memory_gb": 4,
        },
        "pipeline_root": str(home / "kfp"),
        "arguments": {**specs, "root": str(ROOT), "site": json.dumps(places), "data_folder": str(data)},
    }

    def run(plan: dict, into: Path) -> CompletedProcess[str]:
        into.mkdir()
        (root / "plan.json").write_text(json.dumps(plan))
        done = python(
            ROOT / "tests/pipelines/sharded_images.py", root / "plan.json", timeout_s=600,
            OSTEOGATE_STEP_RECORDS=into,
        )  # fmt: skip
        (into / "run.log").write_text(done.stdout + done.stderr)
        return done

    # a mount that is no folder: nothing can be written where the shard's identities belong
    blocked = home / "intake" / f"{version}.shard-{BLOCKED}"
    blocked.parent.mkdir(parents=True)
    blocked.write_text("")
    first = run(plan, root / "records-of-first")
    blocked.unlink()
    second = run({**plan, "killed": KILLED}, records)
    return Runs(data, home, first, second, records, params)


def executions(done: CompletedProcess[str]) -> dict[str, int]:
    """How often each task was really run."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
    tasks = re.findall(r"Executing task '([a-z-]+)'", plain)
    return {task: tasks.count(task) for task in sorted(set(tasks))}


def test_a_shard_that_cannot_write_is_retried_and_fails_alone(runs: Runs) -> None:
    assert runs.first.returncode != 0
    assert executions(runs.first) == {"obtain-data": 1, "ingest-shard": OF + RETRIES}
    said = set(re.findall(r"ingest\.(\S+): .*intake not written", runs.first.stdout))
    assert said == {BLOCKED}
    records = read_records(runs.home.parent / "records-of-first", Path("none"), runs.home / "kfp" / "cache")
    assert records["ingest"].state == "failed"
    assert str(records["ingest"].error).startswith(f"shard {BLOCKED}: ")
    assert records["ingest"].progress["text"] == "2 of 3 shards"


def test_the_next_run_takes_up_what_stood_and_retries_a_killed_shard_alone(runs: Runs) -> None:
    assert runs.second.returncode == 0, runs.second.stdout[-3000:]
    assert f"killed: prepare {KILLED}" in runs.second.stdout
    assert executions(runs.second) == {
        "obtain-data": 1, "ingest-shard": 1, "merge-intake": 1, "validate-dicom": 1, "segment-levels": 1,
        "prepare-shard": OF + 1, "merge-crops": 1,
    }  # fmt: skip
    assert runs.second.stdout.count("Task ingest-shard cache hit") == OF - 1
    assert runs.second.stdout.count("Task prepare-shard failed (attempt 1/2)") == 1


def test_the_records_of_shards_are_the_step_s(runs: Runs) -> None:
    records = read_records(runs.records, runs.records / "run.log", runs.home / "kfp" / "cache")
    for step, task in (("ingest", "merge-intake"), ("prepare", "merge-crops")):
        record = records[step]
        assert record.state == "done"
        assert record.output is not None
        assert record.output.parent.name == task
        shards = [json.loads(path.read_text()) for path in runs.records.glob(f"{step}.*-of-3.json")]
        assert {shard["state"] for shard in shards} == {"done"}
        assert len(shards) == (1 if step == "ingest" else OF)
        merge = json.loads((runs.records / f"{step}.json").read_text())
        assert record.seconds == pytest.approx(
            merge["seconds"] + sum(shard["seconds"] for shard in shards), abs=0.02
        )
        for name, count in record.notes["counts"].items():
            if step == "prepare":
                assert count == sum(shard["notes"]["counts"][name] for shard in shards), name


def test_the_intake_is_that_of_one_ingest_byte_for_byte(runs: Runs, tmp_path: Path) -> None:
    whole = ingest(
        data=runs.data,
        out=tmp_path,
        key=SIMULATED_KEY,
        params=IngestParams(workers=1),
        identity=tmp_path / "who",
    )
    merged = runs.output("merge-intake", "intake")
    for name in ("series.parquet", "others.parquet"):
        assert (merged / name).read_bytes() == (tmp_path / name).read_bytes(), name
    places = runs.home / "intake" / open_site_cohort(runs.data).version / "locations.json"
    assert places.read_bytes() == (tmp_path / "who" / "locations.json").read_bytes()
    assert places.stat().st_mode & 0o077 == 0
    manifests = [json.loads((folder / "manifest.json").read_text()) for folder in (merged, tmp_path)]
    assert {**manifests[0], "seconds": 0} == {**manifests[1], "seconds": 0}
    files = sum(path.is_file() for path in (runs.data / "series").rglob("*"))
    assert whole.file_count == files == whole.series_file_count + whole.other_count
    folders = [
        {Path(file).parent.as_posix() for file in place["files"]}
        for place in json.loads(places.read_text())["series"].values()
    ]
    assert [len(one) for one in folders if "series/elsewhere" in one] == [2]


def test_the_crops_are_those_of_one_preparation_byte_for_byte(runs: Runs, tmp_path: Path) -> None:
    whole = prepare(
        data=runs.data,
        intake=runs.home / "intake" / open_site_cohort(runs.data).version,
        accepted=runs.output("validate-dicom", "validated") / "accepted.parquet",
        segmented=runs.output("segment-levels", "segmented"),
        out=tmp_path,
        key=SIMULATED_KEY,
        params=PrepareParams(**runs.params["prepare"]),
        data_version=open_site_cohort(runs.data).version,
        data_kind="simulated",
        workers=1,
    )
    merged = runs.output("merge-crops", "store")
    assert whole.counts["crops"] > 0
    for name in (
        "crops/hu.npy", "crops/index.parquet", "crops/store.json", "contact_sheet.png", "refused.parquet",
        "flagged.parquet", "statistics.parquet",
    ):  # fmt: skip
        assert (merged / name).read_bytes() == (tmp_path / name).read_bytes(), name
    manifests = [json.loads((folder / "manifest.json").read_text()) for folder in (merged, tmp_path)]
    assert {**manifests[0], "seconds": 0} == {**manifests[1], "seconds": 0}
