"""kill -9 in the middle of a batch, and then the same command again: nothing lost, nothing double."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import models.replace_folder
from tests.command_line import ROOT
from tests.dicom_factory import make_series
from tests.faults.small_batch import Batch, facts

# a fork keeps what this process has imported: a spawned one would take seconds for it
FORK = multiprocessing.get_context("fork")


def kill_9() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed(step: Callable[[], None]) -> None:
    """Run the step in a process that ends by SIGKILL."""
    process = FORK.Process(target=step)
    process.start()
    process.join(500)  # of a busy machine
    assert process.exitcode == -signal.SIGKILL, "the step ended before it was killed"


def at(done: int) -> Callable[[int, int], None]:
    """A progress bar that kills its process at the item `done`."""
    return lambda now, _: kill_9() if now == done else None


def at_rename(number: int) -> Any:
    """Path.replace, that kills instead of renaming the n-th time."""
    plain, seen = Path.replace, [0]

    def replace(path: Path, target: Path) -> Path:
        seen[0] += 1
        if seen[0] == number:
            kill_9()
        return plain(path, target)

    return replace


@pytest.fixture
def fresh(whole: Batch, tmp_path: Path) -> Batch:
    """The same data and nothing written yet."""
    return Batch(whole.data, tmp_path / "fresh")


def assert_all_there(batch: Batch, expected: dict[str, object]) -> None:
    assert facts(batch.out) == expected  # no file more, no file less


def test_ingest_killed_while_it_reads(fresh: Batch, expected: dict[str, object]) -> None:
    killed(lambda: fresh.ingest(progress=at(2)))
    assert not (fresh.out / "intake" / "manifest.json").exists()
    fresh.ingest()
    fresh.validate()
    fresh.prepare()
    assert_all_there(fresh, expected)


@pytest.mark.parametrize("rename", [2, 6, 8])
def test_ingest_killed_while_it_writes_over_an_earlier_intake(
    again: Batch, expected: dict[str, object], rename: int
) -> None:
    """Four files beside, then four renamed in, the manifest last."""

    def step() -> None:
        Path.replace = at_rename(rename)  # type: ignore[method-assign] - in this process only
        again.ingest()

    killed(step)
    whole_still = (again.out / "intake" / "manifest.json").exists()
    assert whole_still == (rename <= 4), "a half-written intake must not look like a whole one"
    again.ingest()
    assert_all_there(again, expected)


def test_validate_killed_while_it_writes(again: Batch, expected: dict[str, object]) -> None:
    import components.validate_dicom.result_folder as result

    def step() -> None:
        result.make_offline = lambda *_: kill_9()  # type: ignore[assignment]
        again.validate()

    killed(step)
    assert (
        facts(again.out / "report").items()
        >= {
            name.removeprefix("report/"): value
            for name, value in expected.items()
            if name.startswith("report/")
        }.items()
    )  # the earlier result is what a reader sees
    again.validate()
    assert_all_there(again, expected)


def test_validate_killed_between_taking_the_old_result_away_and_naming_the_new_one(
    again: Batch, expected: dict[str, object]
) -> None:
    def step() -> None:
        plain = Path.rename

        def rename(path: Path, target: Path) -> Path:
            if target.name == "report":
                kill_9()
            return plain(path, target)

        Path.rename = rename  # type: ignore[method-assign]
        again.validate()

    killed(step)
    assert not (again.out / "report").exists()
    again.validate()
    assert_all_there(again, expected)


def test_prepare_killed_while_it_cuts_crops(fresh: Batch, expected: dict[str, object]) -> None:
    fresh.ingest()
    fresh.validate()
    killed(lambda: fresh.prepare(progress=at(2)))
    assert not (fresh.out / "prepared" / "crops").exists()
    fresh.prepare()
    assert_all_there(fresh, expected)


@pytest.mark.parametrize("rename", [1, 4])
def test_prepare_killed_while_it_writes_its_reports(
    again: Batch, expected: dict[str, object], rename: int
) -> None:
    def step() -> None:
        Path.replace = at_rename(rename)  # type: ignore[method-assign]
        again.prepare()

    killed(step)
    again.prepare()
    assert_all_there(again, expected)


def test_prepare_killed_while_the_store_takes_its_place(again: Batch, expected: dict[str, object]) -> None:
    def step() -> None:
        models.crop_store.replace_folder = lambda *_: kill_9()  # type: ignore[assignment]
        again.prepare()

    killed(step)
    again.prepare()
    assert_all_there(again, expected)


def test_no_reading_process_outlives_an_ingest_that_was_killed(tmp_path: Path) -> None:
    for number in range(7):  # enough for a pool
        make_series(tmp_path / "data" / str(number), slices=2, series=number + 1)
    script = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from components.ingest_dicom.params import IngestParams\nfrom components.ingest_dicom.run import run\n"
        "if __name__ == '__main__':\n"
        "    run(data=Path(sys.argv[1]), out=Path(sys.argv[2]), key=bytes(16), params=IngestParams(workers=2),\n"
        "        progress=lambda *_: os.kill(os.getpid(), signal.SIGKILL))\n"
    )
    (tmp_path / "parent.py").write_text(script)
    words = [sys.executable, str(tmp_path / "parent.py"), str(tmp_path / "data"), str(tmp_path / "out")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen(words, env=environment, start_new_session=True)
    assert parent.wait(240) == -signal.SIGKILL
    deadline = time.monotonic() + 60
    while (left := session(parent.pid)) and time.monotonic() < deadline:
        time.sleep(0.2)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == []


def session(leader: int) -> list[int]:
    """Living processes of the session that `leader` started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue  # ended meanwhile
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found
