"""What is over its term goes, what is needed stays, and nothing outside the workspace is touched."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
import yaml

from models.errors import ParameterError
from models.params import load_section
from pipelines.local_run import only_run
from pipelines.retention.carry_out import DELETIONS_FILE, RetentionError, apply_plan
from pipelines.retention.params import Kind, RetentionParams, Term
from pipelines.workspace import Workspace
from tests.command_line import one_line, osteogate
from tests.pipelines.retention.conftest import (
    NO_END,
    OLD_DAYS,
    PARAMS,
    YOUNG_DAYS,
    add_run,
    age,
    gone,
    plan,
    write,
)


def test_only_what_is_over_its_term_goes_and_the_record_says_what(workspace: Workspace) -> None:
    home = workspace.home
    old, young = (add_run(workspace, name, days=days) for name, days in (
        ("20200101-000000-aaaa", OLD_DAYS), ("20260101-000000-bbbb", YOUNG_DAYS)))  # fmt: skip
    write(home / "logs" / "triton.log.1", days=OLD_DAYS)
    write(home / "logs" / "triton.log", days=YOUNG_DAYS)
    write(home / "intake" / ("a" * 32) / "locations.json", days=OLD_DAYS)
    age(home / "intake", OLD_DAYS)
    write(home / "keys" / "site.key", days=OLD_DAYS)
    write(home / "mlflow.txt", days=OLD_DAYS)
    found = plan(workspace)
    kfp = home / "kfp" / "osteogate-20200101-000000"
    assert gone(found) == {
        old, home / "logs" / "triton.log.1", home / "intake" / ("a" * 32),
        *(kfp / task for task in ("ingest-dicom", "prepare-vertebrae", "train-resnet50")),
    }  # fmt: skip
    assert old.is_dir(), "a plan deletes nothing"
    apply_plan(found, workspace)
    assert not any(path.exists() for path in gone(found))
    assert not kfp.exists(), "the emptied folder of the KFP run goes too"
    left = sorted(path.name for path in (home / "kfp" / "cache").iterdir())
    assert left == [f"{young.name}-{step}.json" for step in ("ingest", "prepare", "train")]
    for kept in (young / "train" / "content.bin", home / "keys" / "site.key", home / "mlflow.txt"):
        assert kept.is_file()
    records = [json.loads(line) for line in (home / DELETIONS_FILE).read_text().splitlines()]
    assert len(records) == 6
    assert sum(record["files"] for record in records) == sum(x.holding.file_count for x in found.expired)
    crops = next(record for record in records if record["kind"] == "crops")
    assert (crops["files"], crops["bytes"], crops["reason"]) == (1, 1000, "term")
    assert crops["name"] == "osteogate-20200101-000000/prepare-vertebrae"
    assert gone(plan(workspace)) == set()


@pytest.mark.parametrize("state", ["done", "interrupted", "failed", "running"])
def test_the_latest_run_and_its_data_stay_however_old(workspace: Workspace, state: str) -> None:
    version = "b" * 32
    run = add_run(
        workspace, "20200101-000000-aaaa", days=OLD_DAYS, latest=True, data_version=version,
        linked=state == "done", state=state,
    )  # fmt: skip
    write(workspace.home / "intake" / version / "locations.json", days=OLD_DAYS)
    age(workspace.home / "intake", OLD_DAYS)
    found = plan(workspace)
    assert gone(found) == set()
    assert {item.why for item in found.kept} == {"latest run", "data of the latest run"}
    assert len(found.kept) == 5
    apply_plan(found, workspace)
    assert (run / "manifest.json").is_file()


def test_a_reused_output_of_an_older_run_stays_for_the_latest(workspace: Workspace) -> None:
    old = add_run(workspace, "20200101-000000-aaaa", days=OLD_DAYS)
    new = add_run(workspace, "20260101-000000-bbbb", days=YOUNG_DAYS, latest=True)
    reused = (old / "prepare").resolve()
    (new / "prepare").unlink()
    (new / "prepare").symlink_to(reused)
    found = plan(workspace)
    assert reused.parent not in gone(found)
    assert (old / "train").resolve().parent in gone(found)


def test_a_run_that_awaits_approval_stays(workspace: Workspace) -> None:
    run = add_run(
        workspace, "20200101-000000-aaaa", days=OLD_DAYS, gate={"state": "awaiting approval"}
    )  # fmt: skip
    assert gone(plan(workspace)) == set()
    document = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps({**document, "gate": {"state": "rejected"}}))
    age(run, OLD_DAYS)
    assert run in gone(plan(workspace))


def test_the_champions_run_and_data_stay(workspace: Workspace) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(workspace.mlflow_uri)
    client.create_registered_model("osteogate")
    for number in (1, 2):
        client.create_model_version(
            "osteogate", source=f"file:///nowhere/{number}", tags={"data_version": str(number) * 32}
        )
    client.set_registered_model_alias("osteogate", "champion", "1")
    first, second = (
        add_run(workspace, f"20200101-00000{n}-aaaa", days=OLD_DAYS, model={"version": n}) for n in (1, 2)
    )
    reusing = add_run(
        workspace, "20200101-000003-aaaa", days=OLD_DAYS, model={"version": 1, "deployed_by_this_run": False}
    )
    for number in (1, 2):
        write(workspace.home / "intake" / (str(number) * 32) / "locations.json", days=OLD_DAYS)
    age(workspace.home / "intake", OLD_DAYS)
    found = gone(plan(workspace))
    assert first not in found
    assert (first / "train").resolve().parent not in found
    assert workspace.home / "intake" / ("1" * 32) not in found
    assert {second, reusing, workspace.home / "intake" / ("2" * 32)} <= found


def test_links_are_neither_followed_nor_deleted(workspace: Workspace, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    write(archive / "study" / "slice.dcm", days=OLD_DAYS)
    age(archive, OLD_DAYS)
    (workspace.home / "intake").symlink_to(archive)
    (workspace.home / "logs").mkdir()
    (workspace.home / "logs" / "old.log").symlink_to(archive / "study" / "slice.dcm")
    run = add_run(workspace, "20200101-000000-aaaa", days=OLD_DAYS)
    (run / "archive").symlink_to(archive)
    age(run, OLD_DAYS)
    found = plan(workspace)
    assert len(found.outside) == 2
    apply_plan(found, workspace)
    assert not run.exists()
    assert (archive / "study" / "slice.dcm").read_bytes() == b"x" * 1000


def test_a_folder_that_became_a_link_since_it_was_listed_is_refused(
    workspace: Workspace, tmp_path: Path
) -> None:
    write(workspace.logs / "triton.log.1", days=OLD_DAYS)
    found = plan(workspace)
    elsewhere = tmp_path / "elsewhere"
    workspace.logs.rename(elsewhere)
    workspace.logs.symlink_to(elsewhere)
    with pytest.raises(RetentionError, match=r"triton\.log\.1: not deleted"):
        apply_plan(found, workspace)
    assert (elsewhere / "triton.log.1").is_file()


def test_above_its_space_the_oldest_go_until_the_rest_fits(workspace: Workspace) -> None:
    for number, days in ((1, 40), (2, 30), (3, 20), (4, 0.5)):
        write(workspace.logs / f"triton.log.{number}", days=days)
    # 4,000 bytes held and 2,500 allowed: two must go, the oldest; with 500 allowed the youngest still stays
    roomy = PARAMS.model_copy(update={"logs": Term(days=None, size_gb=2.5e-6)})
    tight = PARAMS.model_copy(update={"logs": Term(days=None, size_gb=0.5e-6)})
    assert {path.suffix for path in gone(plan(workspace, roomy))} == {".1", ".2"}
    found = plan(workspace, tight)
    assert {path.suffix for path in gone(found)} == {".1", ".2", ".3"}
    assert [item.why for item in found.kept] == ["written within a day"]


def test_without_a_term_nothing_goes(workspace: Workspace) -> None:
    write(workspace.logs / "triton.log", days=OLD_DAYS)
    endless = RetentionParams(
        **dict.fromkeys((kind.value for kind in Kind), NO_END), disk_used_warning_percent=85
    )
    assert gone(plan(workspace, endless)) == set()


def test_a_name_that_the_program_did_not_give_is_not_recorded(workspace: Workspace) -> None:
    write(workspace.logs / "MEYER^ANNA.log", days=OLD_DAYS)
    done = osteogate("retention", "--apply", home=workspace.home, root=workspace.root)
    assert done.returncode == 0, done.stderr
    assert not (workspace.logs / "MEYER^ANNA.log").exists()
    assert "MEYER" not in done.stdout + done.stderr + (workspace.home / DELETIONS_FILE).read_text()


def test_the_command_lists_first_and_deletes_when_told(workspace: Workspace) -> None:
    old = write(workspace.logs / "triton.log.1", days=OLD_DAYS)
    said = osteogate("retention", "--json", home=workspace.home, root=workspace.root)
    assert said.returncode == 0, said.stderr
    document = json.loads(said.stdout)
    assert (document["applied"], len(document["expired"])) == (False, 1)
    assert document["expired"][0]["bytes"] == 1000
    assert document["held"]["logs"] == {"entries": 1, "bytes": 1000}
    assert old.is_file()
    both = osteogate("retention", "--apply", "--dry-run", home=workspace.home, root=workspace.root)
    assert both.returncode == 2
    assert "one of them is accepted" in one_line(both)
    with only_run(workspace):
        during = osteogate("retention", "--apply", home=workspace.home, root=workspace.root)
    assert during.returncode == 2
    assert "another run is going on" in one_line(during)
    assert old.is_file()
    done = osteogate("retention", "--apply", home=workspace.home, root=workspace.root)
    assert "deleted: logs triton.log.1" in done.stdout
    assert not old.exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"logs": {"days": 0, "size_gb": 1}}, "retention.logs.days: found 0"),
        ({"logs": {"days": 1.5, "size_gb": 1}}, "retention.logs.days: found 1.5"),
        ({"crops": {"days": 1}}, "retention.crops.size_gb: missing"),
        ({"films": {"days": 1, "size_gb": 1}}, "retention.films: unknown key"),
        ({"disk_used_warning_percent": 0}, "retention.disk_used_warning_percent: found 0"),
    ],
)
def test_a_wrong_term_is_named(workspace: Workspace, change: dict, said: str) -> None:
    document = yaml.safe_load(workspace.params_file.read_text())
    document["retention"].update(change)
    workspace.params_file.write_text(yaml.safe_dump(document))
    with pytest.raises(ParameterError, match=said.replace(".", r"\.")):
        load_section(workspace.params_file, "retention", RetentionParams)


@pytest.mark.parametrize(("percent", "over"), [(0.0001, True), (100, None)])
def test_the_doctor_warns_of_a_full_disk(workspace: Workspace, percent: float, over: bool | None) -> None:
    from pipelines.retention.disk import disk_use

    params = PARAMS.model_copy(update={"disk_used_warning_percent": percent})
    use = disk_use(workspace, params)
    usage = os.statvfs(workspace.home)
    used = 100 * (usage.f_blocks - usage.f_bfree) / (usage.f_blocks - usage.f_bfree + usage.f_bavail)
    assert use.used_percent == pytest.approx(used, abs=2)
    assert use.over is (over if over is not None else used >= 100)
    assert f"warning from {percent:g} %" in use.line()


def test_a_holding_written_in_the_future_is_not_old(workspace: Workspace) -> None:
    path = write(workspace.logs / "triton.log", days=-100)
    assert path.stat().st_mtime > time.time()
    assert gone(plan(workspace)) == set()


def test_outputs_of_shards_have_the_terms_of_their_steps(workspace: Workspace) -> None:
    run = workspace.home / "kfp" / "osteogate-20200101-000000"
    version = "a" * 32
    for number in range(2):
        folder = run / f"for-loop-2-iteration-{number}"
        write(folder / "ingest-shard" / "intake" / "series.parquet", days=OLD_DAYS)
        write(folder / "prepare-shard" / "store" / "manifest.json", days=OLD_DAYS)
        age(folder, OLD_DAYS)
        write(
            workspace.home / "intake" / f"{version}.dir.shard-{number}-of-2" / "locations.json", days=OLD_DAYS
        )
    write(run / "merge-intake" / "intake" / "series.parquet", days=OLD_DAYS)
    write(run / "merge-crops" / "store" / "manifest.json", days=OLD_DAYS)
    age(workspace.home, OLD_DAYS)
    found = plan(workspace)
    kinds = {
        item.holding.path.relative_to(workspace.home).as_posix(): item.holding.kind for item in found.expired
    }
    assert kinds == {
        **{f"intake/{version}.dir.shard-{number}-of-2": Kind.INTAKE for number in range(2)},
        **{
            f"kfp/{run.name}/for-loop-2-iteration-{number}/{task}": kind
            for number in range(2)
            for task, kind in (("ingest-shard", Kind.QUARANTINE), ("prepare-shard", Kind.CROPS))
        },
        f"kfp/{run.name}/merge-intake": Kind.QUARANTINE,
        f"kfp/{run.name}/merge-crops": Kind.CROPS,
    }
    apply_plan(found, workspace)
    assert not run.exists(), "emptied folders of shards go with their tasks"
    lines = (workspace.home / DELETIONS_FILE).read_text().splitlines()
    assert {json.loads(line)["name"] for line in lines} == {
        name.removeprefix("kfp/").removeprefix("intake/") for name in kinds
    }
